"""
The files that Linkerd's guide makes by `step`, and those of plain `openssl`, work unchanged in every command.

`step` is not needed: its two lines are made here as it writes them (root-ca: path length 1; intermediate-ca:
path length 0; both keys P-256 in the old form, EC PRIVATE KEY).
"""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from certs.anchors import fingerprint
from certs.generation import load_bundle
from cli import app
from cli.rotation.reading import look
from cluster.local import LocalCluster
from process.address import Address
from tests.certs.forge import usage
from tests.certs.test_foreign_chains import EXTENSIONS, openssl
from tests.cli.test_certs import run
from tests.support.processes import processes

GATEWAY, IDENTITY = (
    f"jackstay-{part}.jackstay.serviceaccount.identity.jackstay.cluster.local"
    for part in ("gateway", "identity")
)


def by_step(directory: Path) -> None:
    """
    step certificate create root.linkerd.cluster.local root.crt root.key --profile root-ca ...
    step certificate create identity.linkerd.cluster.local issuer.crt issuer.key --profile intermediate-ca
      --not-after 8760h --ca root.crt --ca-key root.key ...
    """
    now = datetime.now(UTC)
    root_key, issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, issuer_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{who}.linkerd.cluster.local")])
        for who in ("root", "identity")
    )
    for name, key, length, life, file in (
        (root_name, root_key, 1, timedelta(days=3650), "root"),
        (issuer_name, issuer_key, 0, timedelta(hours=8760), "issuer"),
    ):
        builder = (
            x509.CertificateBuilder(
                root_name, name, key.public_key(), x509.random_serial_number(), now, now + life
            )
            .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if name is issuer_name:
            above = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
            builder = builder.add_extension(above, critical=False)
        made = builder.sign(root_key, hashes.SHA256())
        (directory / f"{file}.crt").write_bytes(made.public_bytes(Encoding.PEM))
        old_form = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        assert old_form.startswith(b"-----BEGIN EC PRIVATE KEY-----")
        (directory / f"{file}.key").write_bytes(old_form)


def by_openssl(kind: str, old_form: str = "") -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        (directory / "ext").write_text(EXTENSIONS)
        openssl(
            directory,
            f"req -x509 -newkey {kind} -nodes -keyout root.key -out root.crt -days 3650 -subj /CN=root",
            f"req -newkey {kind} -nodes -keyout issuer.key -out issuer.csr -subj /CN=issuer",
            "x509 -req -in issuer.csr -CA root.crt -CAkey root.key -CAcreateserial -days 365 -extfile ext "
            "-extensions issuer -out issuer.crt",
            *((f"{old_form} -in issuer.key -out issuer.key",) if old_form else ()),
        )

    return make


MAKERS = {
    "step": by_step,
    "openssl, P-256": by_openssl("ec -pkeyopt ec_paramgen_curve:P-256"),
    "openssl, P-384, EC PRIVATE KEY": by_openssl("ec -pkeyopt ec_paramgen_curve:P-384", "ec"),
    "openssl, RSA 2048": by_openssl("rsa:2048"),
    "openssl, RSA 4096, RSA PRIVATE KEY": by_openssl("rsa:4096", "rsa -traditional"),
}


@pytest.fixture(scope="module", params=list(MAKERS.values()), ids=list(MAKERS))
def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their root and issuer, and leaves under it that `certs leaf` has made; keys of RSA take seconds."""
    directory = tmp_path_factory.mktemp("theirs")
    request.param(directory)
    for name in (GATEWAY, IDENTITY):
        stem = directory / name.partition(".")[0]
        made = run(
            *("leaf", name, f"{stem}.crt", f"{stem}.key"),
            *("--ca", directory / "issuer.crt", "--ca-key", directory / "issuer.key"),
        )
        assert made.exit_code == 0, made.output
    return directory


@pytest.fixture
def theirs(once: Path, tmp_path: Path) -> Path:
    """A directory of the test's own with these files."""
    return Path(shutil.copytree(once, tmp_path, dirs_exist_ok=True))


def test_leaves_under_them_are_taken_and_can_be_installed(theirs: Path) -> None:
    leaf = theirs / "jackstay-gateway.crt", theirs / "jackstay-gateway.key"
    shown = run("inspect", *leaf, "--trust-anchors", theirs / "root.crt")
    assert "nothing wrong, and peers would take it" in shown.output
    printed = CliRunner().invoke(
        app.app,
        [
            "install",
            "--trust-anchors",
            str(theirs / "root.crt"),
            "--no-mirror",
            "--gateway-tls",
            *map(str, leaf),
        ],
    )
    assert printed.exit_code == 0, printed.output
    kinds = [document["kind"] for document in yaml.safe_load_all(printed.stdout)]
    assert "Deployment" in kinds
    assert "Secret" in kinds


def test_an_issuer_may_be_made_under_their_root(theirs: Path) -> None:
    by_root = ("--ca", theirs / "root.crt", "--ca-key", theirs / "root.key")
    bound = ("--trust-domain", "east.jackstay")
    assert run("issuer", theirs / "own.crt", theirs / "own.key", *by_root, *bound).exit_code == 0
    assert run("inspect", theirs / "own.crt", "--trust-anchors", theirs / "root.crt").exit_code == 0
    assert run("bundle", theirs / "root.crt").exit_code == 0


async def test_the_identity_service_issues_by_them_and_says_under_which_anchor(theirs: Path) -> None:
    own = theirs / "jackstay-identity"
    flags = {
        "issuer-certificate": theirs / "issuer.crt",
        "issuer-key": theirs / "issuer.key",
        "certificate": f"{own}.crt",
        "key": f"{own}.key",
        "trust-anchors": theirs / "root.crt",
        "kubeconfig": theirs / "kubeconfig",
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
    }
    async with LocalCluster(name="east") as cluster, processes(theirs) as started:
        (theirs / "kubeconfig").write_bytes(cluster.kubeconfig)
        service = await started.start("identity", *(f"--{flag}={value}" for flag, value in flags.items()))
        seen = await look([], [Address.parse(service.ready["admin"])], patience=5.0)
    bundle = load_bundle(theirs / "root.crt")
    (held,) = [process.held for process in seen.processes]
    assert held is not None
    assert held.bundles == {bundle.digest}
    assert held.issuer_anchors == held.leaf_anchors == {fingerprint(bundle.anchors[0])}
