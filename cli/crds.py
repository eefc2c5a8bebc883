"""`jackstay crds`: print the definitions of our custom kinds."""

import typer

from cli.manifests import as_json, as_yaml
from cli.options import ManifestFormat, Manifests
from cluster.crds import link_definition, traffic_split_definition


def command(*, output: Manifests = ManifestFormat.YAML) -> None:
    """
    Print the CustomResourceDefinitions of Link and TrafficSplit, for kubectl apply.

    They are for the whole cluster, compatible with Linkerd's, and stay when the rest is removed.

    Example:  jackstay crds | kubectl --context west apply -f -
    """
    made = (link_definition(), traffic_split_definition())
    typer.echo(as_yaml(made) if output is ManifestFormat.YAML else as_json(made), nl=False)
