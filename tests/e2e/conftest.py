"""
What the tests in two real clusters need, and what they share.

KUBECONFIG            with the contexts `west` and `east`, whose API servers each other's pods can reach
JACKSTAY_IMAGE        our image, as both clusters know it
JACKSTAY_KUBE         a program with `partition WEST EAST`, `heal` and `signal CLUSTER apiserver STOP|CONT`;
                      without it the tests that break the network, or an API server, are skipped
"""

import base64
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.site import Failed, Site, eventually, run

HOUSE = Path(__file__).parents[2]
MANIFESTS = HOUSE / "docs" / "kubernetes"
EXPORTED = "mirror.linkerd.io/exported"


@dataclass(frozen=True, slots=True)
class Two:
    """The two clusters, our image, and a place for files."""

    west: Site
    east: Site
    image: str
    directory: Path

    def jackstay(self, *arguments: str) -> str:
        """What our command line prints, run in the directory with the certificates."""
        return run(sys.executable, "-m", "cli", *arguments)

    def file(self, name: str) -> str:
        return str(self.directory / name)

    def leaf(self, site: Site, identity: str, stem: str) -> tuple[str, str]:
        files = self.file(f"{site.name}-{stem}.crt"), self.file(f"{site.name}-{stem}.key")
        issuer = self.issuer(site)
        self.jackstay(
            "certs", "leaf", identity, *files, "--ca", issuer[0], "--ca-key", issuer[1], "--lifetime", "90d"
        )
        return files

    def issuer(self, site: Site) -> tuple[str, str]:
        """Certificate and key of the site's first issuer."""
        return self.file(f"{site.name}-issuer.crt"), self.file(f"{site.name}-issuer.key")

    def make_issuer(self, site: Site, files: tuple[str, str]) -> None:
        """Another issuer of *site*, under the anchor of both."""
        self.jackstay(
            *("certs", "issuer", *files, "--trust-domain", site.trust_domain),
            *("--ca", self.file("root.crt"), "--ca-key", self.file("root.key")),
        )

    def manifest(self, name: str) -> str:
        """One of docs/kubernetes, with our image in it."""
        return (MANIFESTS / name).read_text().replace("jackstay:dev", self.image)

    @property
    def gateway(self) -> str:
        """The address of east's gateway; "" if it has none yet."""
        status = self.east.get("service", "jackstay-gateway", "jackstay")["status"]
        return "".join(one["ip"] for one in status.get("loadBalancer", {}).get("ingress", ()))


@pytest.fixture(scope="session")
def two() -> Iterator[Two]:
    """Both clusters, with anchors and issuers made. What is missing is said by name."""
    missing = []
    if shutil.which("kubectl") is None:
        missing.append("kubectl on the PATH")
    if not os.environ.get("KUBECONFIG"):
        missing.append("KUBECONFIG, with the contexts west and east")
    image = os.environ.get("JACKSTAY_IMAGE", "")
    if not image:
        missing.append("JACKSTAY_IMAGE, our image as both clusters know it")
    if missing:
        pytest.exit(f"make e2e needs: {'; '.join(missing)}", returncode=2)
    west, east = Site("west"), Site("east")
    for site in (west, east):
        try:
            site.kubectl("get", "--raw", "/readyz", timeout=20)
        except Failed as error:
            pytest.exit(f"make e2e: cluster {site.name} does not answer: {error}", returncode=2)
    with tempfile.TemporaryDirectory() as directory:
        both = Two(west, east, image, Path(directory))
        both.jackstay("certs", "root", both.file("root.crt"), both.file("root.key"))
        for site in (west, east):
            both.make_issuer(site, both.issuer(site))
        yield both


@pytest.fixture(scope="session")
def break_things() -> str:
    """The program that cuts the network and stops API servers."""
    program = os.environ.get("JACKSTAY_KUBE", "")
    if not program:
        pytest.skip("JACKSTAY_KUBE names no program that can cut the network between the clusters")
    return program


def install(two: Two, site: Site) -> str:
    """
    The manifests of `jackstay install` for *site*, as README.md has it.

    But for the mirror of east, which has a Secret of its own: both ways stand beside each other.
    """
    given: tuple[str, ...] = ()
    if site is two.east:
        given = ("--mirror-tls", *two.leaf(site, site.identity("jackstay-mirror"), "mirror"))
    issuer = two.issuer(site)
    return two.jackstay(
        *("install", "--trust-domain", site.trust_domain, "--trust-anchors", two.file("root.crt")),
        *("--issuer-certificate", issuer[0], "--issuer-key", issuer[1], *given, "--image", two.image),
    )


@pytest.fixture(scope="session")
def installed(two: Two) -> Iterator[dict[str, str]]:
    """The manifests that are installed in each cluster; removed again at the end, whatever happened."""
    made = {site.name: install(two, site) for site in (two.west, two.east)}
    try:
        for site in (two.west, two.east):
            site.apply(made[site.name])
        for site in (two.west, two.east):
            for part in ("identity", "gateway", "mirror"):
                site.rolled_out(f"jackstay-{part}")
        yield made
    finally:
        remove(two, made)


def remove(two: Two, made: dict[str, str]) -> None:
    """Everything goes, in README.md's order: Links first, since the mirror cleans up after them."""
    for site in (two.west, two.east):
        if "links.multicluster.linkerd.io" in site.kubectl("get", "crds", "-o", "name"):
            site.kubectl("delete", "links", "-A", "--all", "--timeout=60s")
        site.kubectl("delete", "--ignore-not-found", "--timeout=120s", "-f", "-", stdin=made[site.name])
        site.kubectl("delete", "namespace", "test", "--ignore-not-found", "--timeout=120s")


def _with_short_token(two: Two, manifests: str) -> str:
    """The manifests of a link whose token lives ten minutes, the shortest that there is."""
    token = two.east.kubectl("-n", "jackstay", "create", "token", "jackstay-remote-access", "--duration=10m")
    secret, link = yaml.safe_load_all(manifests)
    kubeconfig = yaml.safe_load(base64.b64decode(secret["data"]["kubeconfig"]))
    kubeconfig["users"][0]["user"]["token"] = token.strip()
    secret["data"]["kubeconfig"] = base64.b64encode(yaml.safe_dump(kubeconfig).encode()).decode()
    return yaml.safe_dump_all([secret, link])


@pytest.fixture(scope="session")
def linked(two: Two, installed: dict[str, str]) -> str:
    """The gateway's address, once west is linked to east and podinfo runs in both."""
    eventually(lambda: two.gateway, "an address of the gateway of east")
    for site in (two.west, two.east):
        site.apply(two.manifest("podinfo.yaml").replace("CLUSTER", site.name))
        site.rolled_out("podinfo", "test")
    two.west.apply(
        _with_short_token(two, two.jackstay("link", "--context", "east", "--cluster-name", "east"))
    )
    two.west.kubectl("-n", "jackstay", "wait", "link/east", "--for=condition=GatewayAlive", "--timeout=60s")
    return f"{two.gateway}:4143"


@pytest.fixture(scope="session")
def exported(two: Two, linked: str) -> str:
    """The gateway's address, once podinfo of east is exported and its mirror leads there."""
    two.east.kubectl("-n", "test", "label", "service", "podinfo", f"{EXPORTED}=true", "--overwrite")
    eventually(lambda: two.west.mirrored("podinfo-east") == ({linked}, set()), "the mirror in west")
    return linked


@pytest.fixture(scope="session")
def client(two: Two, exported: str) -> str:
    """The pod in west with our client's end beside its application."""
    anchors = two.west.kubectl(
        *("-n", "test", "create", "configmap", "jackstay-trust-bundle", "--dry-run=client", "-o", "yaml"),
        f"--from-file=ca-bundle.crt={two.file('root.crt')}",
    )
    two.west.apply(anchors)
    two.west.apply(two.manifest("client-identity.yaml"))
    two.west.kubectl("-n", "test", "wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
    return "web"
