"""From a Link's Secret to the access to its cluster. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from cluster.access import Access
from cluster.kubeconfig import RefusedKubeconfig, strict
from cluster.objects import Key, Secret
from mirror.link import LinkSpec
from mirror.status import Finding

KUBECONFIG = "kubeconfig"
"""The key of a credentials Secret under which it is."""


def access(spec: LinkSpec, secrets: Mapping[Key, Secret], *, allow_loopback: bool) -> Access | Finding:
    """What the Secret that *spec* names gives, or why that is nothing that can be used."""
    secret = secrets.get(Key(spec.namespace, spec.credentials))
    kubeconfig = secret.data.get(KUBECONFIG) if secret is not None else None
    if kubeconfig is None:
        lacks = f"has no key {KUBECONFIG}" if secret is not None else "does not exist"
        message = f"Secret {spec.namespace}/{spec.credentials} {lacks}"
        return Finding(ok=False, reason="SecretMissing", message=message)
    try:
        return replace(strict(kubeconfig, allow_loopback=allow_loopback), name=spec.cluster)
    except RefusedKubeconfig as error:
        return Finding(ok=False, reason="KubeconfigRefused", message=str(error))
