"""The ConfigMaps of trust anchors as they are to be: with one more anchor, or one less. Pure."""

from cryptography import x509

from certs import anchors
from certs.trust_bundle import TrustBundle
from cli.install.parts import BUNDLE_KEY, TRUST_BUNDLE
from cli.manifests import Manifest, manifest
from cli.rotation.seen import Place
from cluster.kinds import CONFIG_MAP

_OF_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"


def with_anchor(bundle: TrustBundle, new: x509.Certificate) -> TrustBundle:
    """*bundle* and *new*, which comes last."""
    return anchors.of((*bundle.anchors, new))


def config_map(place: Place, bundle: TrustBundle) -> Manifest:
    """*place* with *bundle* in it; whatever else is in it stays, since applying would take it away."""
    metadata = place.raw.get("metadata") or {}
    binary = {"binaryData": place.raw["binaryData"]} if place.raw.get("binaryData") else {}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != _OF_KUBECTL}
    return manifest(
        CONFIG_MAP,
        TRUST_BUNDLE,
        place.namespace,
        labels=metadata.get("labels") or {"app.kubernetes.io/name": "jackstay"},
        annotations=annotations,
        data={**(place.raw.get("data") or {}), BUNDLE_KEY: bundle.pem.decode()},
        **binary,
    )
