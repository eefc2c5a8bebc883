"""
A trust anchor replaced by another without losing a connection: what is seen, and what follows from it.

    begin    both anchors everywhere       nobody is refused: whoever comes under either is believed
    (then)   leaves under the new one      all of them, while the old ones still count
    finish   the new anchor alone          only once nobody needs the old one

`seen` are the values, `said` reads what a process tells of itself, `verdict` judges, `manifests` says what to
apply, `shown` what people and programs get to see: all pure. `reading` asks clusters and processes, `asked`
is what a command line means.
"""
