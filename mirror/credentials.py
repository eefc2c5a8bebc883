"""From a Link's Secret to the access to its cluster."""

from collections.abc import Mapping
from dataclasses import replace

from cluster.access import Access
from cluster.kubeconfig import RefusedKubeconfig, strict
from cluster.objects import Key, Secret
from mirror.link import LinkSpec
from mirror.status import Finding

KUBECONFIG = "kubeconfig"
"""The key of a credentials Secret under which it is."""


class Reader:
    """
    Reads a Link's kubeconfig, once for as long as it is the same.

    Whoever follows a Secret asks at every look, and PyYAML takes milliseconds or, of a stranger's, more.
    """

    def __init__(self, *, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback
        self._last: tuple[bytes, Access | RefusedKubeconfig] | None = None

    def read(self, kubeconfig: bytes) -> Access | RefusedKubeconfig:
        """What it gives, or why that is nothing."""
        if self._last is None or self._last[0] != kubeconfig:
            self._last = kubeconfig, self._strict(kubeconfig)
        return self._last[1]

    def _strict(self, kubeconfig: bytes) -> Access | RefusedKubeconfig:
        try:
            return strict(kubeconfig, allow_loopback=self._allow_loopback)
        except RefusedKubeconfig as error:
            return error


def access(spec: LinkSpec, secrets: Mapping[Key, Secret], reader: Reader) -> Access | Finding:
    """What the Secret that *spec* names gives, or why that is nothing that can be used."""
    secret = secrets.get(Key(spec.namespace, spec.credentials))
    kubeconfig = secret.data.get(KUBECONFIG) if secret is not None else None
    if kubeconfig is None:
        lacks = f"has no key {KUBECONFIG}" if secret is not None else "does not exist"
        message = f"Secret {spec.namespace}/{spec.credentials} {lacks}"
        return Finding(ok=False, reason="SecretMissing", message=message)
    found = reader.read(kubeconfig)
    if isinstance(found, RefusedKubeconfig):
        return Finding(ok=False, reason="KubeconfigRefused", message=str(found))
    return replace(found, name=spec.cluster)
