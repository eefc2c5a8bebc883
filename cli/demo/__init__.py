"""
The demo: the story of the guide, with the processes that run in production.

`story` is what happens, `stage` where it happens, `processes` who acts, `observe` how we
know; `objects` are the manifests, `programme` what is said about it.
"""
