"""kube-apiserver and etcd: where they are, by the convention of envtest, and how they are started."""

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOW_TO_GET_THEM = (
    "no real API server: KUBEBUILDER_ASSETS must name a directory with etcd and kube-apiserver "
    "(`setup-envtest use -p path` downloads one and prints it)"
)

ETCD_PORT, API_PORT = 2379, 6443


def assets() -> Path | None:
    """The directory with both programs, if there is one."""
    directory = Path(os.environ.get("KUBEBUILDER_ASSETS", ""))
    if all((directory / name).is_file() for name in ("etcd", "kube-apiserver")):
        return directory
    return None


def etcd(programs: Path, home: Path, host: str) -> list[str]:
    """How etcd is started at the loopback address *host*, with its data in *home*."""
    client, peer = f"http://{host}:{ETCD_PORT}", f"http://{host}:2380"
    return [
        str(programs / "etcd"),
        f"--data-dir={home / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def api_server(
    programs: Path, home: Path, host: str, *, authorization: str = "AlwaysAllow", flags: Sequence[str] = ()
) -> list[str]:
    """
    How kube-apiserver is started beside that etcd; it finds in *home* what `write_files` puts there.

    Without *flags* that say otherwise it makes its own certificate, `apiserver.crt`, in *home*.
    """
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers=http://{host}:{ETCD_PORT}",
        f"--bind-address={host}",
        "--advertise-address=10.255.255.1",
        f"--secure-port={API_PORT}",
        f"--cert-dir={home}",
        "--service-cluster-ip-range=10.96.0.0/12",
        f"--authorization-mode={authorization}",
        f"--token-auth-file={home / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={home / 'sa.pub'}",
        f"--service-account-signing-key-file={home / 'sa.key'}",
        "--disable-admission-plugins=ServiceAccount",
        *flags,
    ]


def write_files(home: Path, token: str) -> None:
    """The administrator's *token*, and the key with which tokens of service accounts are signed."""
    (home / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    key = ec.generate_private_key(ec.SECP256R1())
    (home / "sa.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (home / "sa.pub").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
