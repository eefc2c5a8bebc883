"""All manifests of an installation, in the order in which one `kubectl apply -f -` takes them."""

from collections.abc import Iterator

from cli.install import parts, rights
from cli.install.origin import is_issued, tls_name
from cli.install.wanted import Wanted
from cli.manifests import GATEWAY, MIRROR, Manifest, gateway_service, identity_service, manifest
from cluster.crds import link_definition, traffic_split_definition
from cluster.kinds import NAMESPACE

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def manifests(wanted: Wanted) -> Iterator[Manifest]:
    """The namespace, our custom kinds, who may do what, what the parts read, and the parts."""
    yield manifest(NAMESPACE, wanted.namespace, labels={"app.kubernetes.io/name": "jackstay", **RESTRICTED})
    if wanted.crds:
        yield from (link_definition(), traffic_split_definition())
    if wanted.gateway:
        yield from rights.manifests(rights.GATEWAY_ACCOUNT, wanted.namespace)
        yield from rights.manifests(rights.REMOTE_ACCOUNT, wanted.namespace)
    if wanted.mirror:
        account = rights.NAMESPACE_MAKER if wanted.create_namespaces else rights.MIRROR_ACCOUNT
        yield from rights.manifests(account, wanted.namespace)
    if wanted.identity_service:
        yield from rights.manifests(rights.IDENTITY_ACCOUNT, wanted.namespace)
    yield parts.trust_bundle(wanted)
    if wanted.issuer:
        yield parts.issuer_secret(wanted.namespace, wanted.issuer)
    if wanted.gateway and wanted.gateway_tls:
        yield parts.tls_secret(GATEWAY, wanted.namespace, wanted.gateway_tls)
    if wanted.mirror and wanted.mirror_tls:
        yield parts.tls_secret(MIRROR, wanted.namespace, wanted.mirror_tls)
    if wanted.identity_service:
        yield identity_service(wanted.namespace)
        yield parts.identity(wanted)
    if wanted.gateway:
        yield gateway_service(
            wanted.namespace, wanted.identity(GATEWAY), service_type=wanted.gateway_service_type.value
        )
        yield parts.gateway(wanted)
    if wanted.mirror:
        yield parts.mirror(wanted)


def missing_secrets(wanted: Wanted) -> Iterator[str]:
    """What somebody else has to make before the pods can start, as commands."""
    for part, needed, shown in (
        (GATEWAY, wanted.gateway, wanted.gateway_tls),
        (MIRROR, wanted.mirror, wanted.mirror_tls),
    ):
        if needed and shown is None and not is_issued(wanted, part):
            yield (
                f"kubectl -n {wanted.namespace} create secret tls {tls_name(part)} "
                f"--cert {part}.crt --key {part}.key    # of {wanted.identity(part)}"
            )
    if wanted.identity_service and wanted.issuer is None:
        yield (
            f"kubectl -n {wanted.namespace} create secret tls {parts.ISSUER_SECRET} "
            f"--cert issuer.crt --key issuer.key    # of {wanted.trust_domain}"
        )
