"""`jackstay certs`: make trust anchors, issuers and leaves, see what is in such files, replace an anchor."""

from cli import certs_rotate
from cli.certs_bundle import bundle
from cli.certs_inspect import inspect
from cli.certs_make import issuer, leaf, root
from cli.certs_verify import verify
from cli.help import App

app = App(
    no_args_is_help=True,
    help="""
    Make and inspect trust anchors, issuers and leaves.

    One trust anchor is for all clusters. Each cluster has an issuer under it, which
    signs the leaf of every workload. What `step` and `openssl` make serves too.

    Example:  jackstay certs root root.crt root.key
    """,
)
for command in (root, issuer, leaf, inspect, verify, bundle):
    app.command()(command)
app.add_typer(certs_rotate.app, name="rotate")
