import errno
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

from certs.anchors import fingerprint
from certs.authority import chain_pem
from certs.credentials import Credentials, key_pem
from certs.trust_bundle import TrustBundle
from cli import certs, certs_files
from cli.errors import CliError

WEB = "web.test.serviceaccount.identity.jackstay.east.jackstay"


def run(*arguments: object) -> Result:
    """The command as a person types it; what it cannot do is raised."""
    result = CliRunner().invoke(certs.app, [str(argument) for argument in arguments])
    if isinstance(result.exception, CliError):
        raise result.exception
    return result


def made(directory: Path, *bound: str) -> Path:
    """*directory* with root, issuer and web in it, as the README makes them."""
    for line in (
        ("root", "root.crt", "root.key"),
        ("issuer", "issuer.crt", "issuer.key", "--ca", "root.crt", "--ca-key", "root.key", *bound),
        ("leaf", WEB, "web.crt", "web.key", "--ca", "issuer.crt", "--ca-key", "issuer.key"),
    ):
        words = [directory / word if word.endswith((".crt", ".key")) else word for word in line]
        result = run(*words)
        assert result.exit_code == 0, result.output
    return directory


def test_what_is_made_serves_a_process(tmp_path: Path) -> None:
    made(tmp_path)
    credentials = Credentials.from_pem(
        (tmp_path / "web.crt").read_bytes(), (tmp_path / "web.key").read_bytes()
    )
    assert credentials.identity == WEB
    assert len(credentials.chain) == 2
    assert len(TrustBundle.from_pem((tmp_path / "root.crt").read_bytes()).anchors) == 1


def test_only_the_owner_may_read_what_is_written(tmp_path: Path) -> None:
    for file in made(tmp_path).iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", ["new.crt", "new.key"])
def test_nothing_is_written_if_one_of_the_two_files_exists(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    with pytest.raises(CliError, match="exists, and nothing was written") as refused:
        run("root", tmp_path / "new.crt", tmp_path / "new.key")
    assert "--force" in refused.value.hint
    assert [file.name for file in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "precious"


def test_force_replaces_both(tmp_path: Path) -> None:
    for name in ("new.crt", "new.key"):
        (tmp_path / name).write_text("old")
    assert run("root", tmp_path / "new.crt", tmp_path / "new.key", "--force").exit_code == 0
    assert "old" not in {file.read_text() for file in tmp_path.iterdir()}


def test_a_directory_that_is_missing_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="mkdir -p"):
        run("root", tmp_path / "new.crt", tmp_path / "nowhere" / "new.key")
    assert list(tmp_path.iterdir()) == []


def test_certificate_and_key_in_one_file_are_refused(tmp_path: Path) -> None:
    assert run("root", tmp_path / "both", tmp_path / "both").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("web.test",), "web.test.serviceaccount.identity.jackstay.cluster.local"),
        (("a." + WEB,), "is not an identity"),
        ((WEB.upper(),), "is not an identity"),
        ((WEB, "--lifetime", "1d12h"), "write a number"),
        ((WEB, "--lifetime", "0h"), "between"),
        ((WEB, "--lifetime", "5"), "write a number"),
    ],
)
def test_wrong_use_says_what_to_write(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    made(tmp_path)
    identity, *options = arguments
    authority = ("--ca", tmp_path / "issuer.crt", "--ca-key", tmp_path / "issuer.key")
    result = run("leaf", identity, tmp_path / "x.crt", tmp_path / "x.key", *authority, *options)
    assert result.exit_code == 2
    # The message stands in a box that breaks lines.
    assert said.replace(" ", "") in "".join(result.output.replace("│", "").split())


def test_an_issuer_of_one_trust_domain_makes_no_leaf_of_another(tmp_path: Path) -> None:
    made(tmp_path, "--trust-domain", "east.jackstay")
    other = WEB.replace("east", "west")
    with pytest.raises(CliError, match=r"bound to east\.jackstay"):
        run(
            *("leaf", other, tmp_path / "x.crt", tmp_path / "x.key"),
            *("--ca", tmp_path / "issuer.crt", "--ca-key", tmp_path / "issuer.key"),
        )


@pytest.mark.parametrize(
    ("ca", "key", "said"),
    [
        ("nowhere.crt", "root.key", "No such file"),
        ("root.crt", "issuer.key", "does not belong"),
        ("web.crt", "web.key", "not an authority"),
        ("issuer.crt", "issuer.key", "leaves only"),
        ("root.key", "root.key", "no CERTIFICATE"),
    ],
)
def test_an_authority_that_cannot_sign_is_said_why(tmp_path: Path, ca: str, key: str, said: str) -> None:
    made(tmp_path)
    with pytest.raises(CliError, match=said):
        run(
            *("issuer", tmp_path / "x.crt", tmp_path / "x.key"),
            *("--ca", tmp_path / ca, "--ca-key", tmp_path / key),
        )


def test_a_leaf_ends_with_its_issuer_and_that_is_said(tmp_path: Path) -> None:
    made(tmp_path)
    result = run(
        *("leaf", WEB, tmp_path / "x.crt", tmp_path / "x.key", "--lifetime", "10y"),
        *("--ca", tmp_path / "issuer.crt", "--ca-key", tmp_path / "issuer.key"),
    )
    assert "earlier than asked" in result.output


def test_inspect_shows_what_is_there_and_that_it_is_good(tmp_path: Path) -> None:
    made(tmp_path, "--trust-domain", "east.jackstay")
    result = run(
        *("inspect", tmp_path / "web.crt", tmp_path / "web.key"),
        *("--trust-anchors", tmp_path / "root.crt"),
    )
    assert result.exit_code == 0
    for part in (
        WEB,
        "spiffe://east.jackstay/ns/test/sa/web",
        "ECDSA P-256, signed with ECDSA-SHA256",
        "workloads and gateways of trust domain east.jackstay only",
        "nothing wrong, and peers would take it",
        "private key",
    ):
        assert part in result.output


def test_inspect_says_of_an_unbound_issuer_that_it_speaks_for_everyone(tmp_path: Path) -> None:
    made(tmp_path)
    assert "every workload and every gateway" in run("inspect", tmp_path / "issuer.crt").output


def lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file at *path* that nobody may read; root, who may run this, could read any other."""
    path.write_text("")
    real_open, real_access = Path.open, os.access

    def opened(self: Path, *arguments: Any, **named: Any) -> Any:
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real_open(self, *arguments, **named)

    def access(asked: Any, mode: int) -> bool:
        return Path(asked) != path and real_access(asked, mode)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(os, "access", access)


def test_inspect_shows_the_others_beside_a_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path)
    lock(tmp_path / "locked.key", monkeypatch)
    result = run("inspect", tmp_path / "web.crt", tmp_path / "locked.key", tmp_path / "issuer.crt")
    assert result.exit_code == 1
    assert "the file cannot be read: permission denied; user" in result.output
    assert result.output.count("nothing wrong") == 2


def test_an_authority_that_cannot_be_read_is_no_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path)
    lock(tmp_path / "locked.key", monkeypatch)
    with pytest.raises(CliError, match=r"^/.*locked\.key: permission denied; user"):
        run(
            *("issuer", tmp_path / "x.crt", tmp_path / "x.key"),
            *("--ca", tmp_path / "root.crt", "--ca-key", tmp_path / "locked.key"),
        )


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.with_name(".new.key.x3v9")))

    monkeypatch.setattr(certs_files, "write_atomically", full)
    with pytest.raises(CliError, match=r"/new\.key cannot be written: No space left on device$"):
        run("root", tmp_path / "new.crt", tmp_path / "new.key")


def test_inspect_fails_when_something_is_wrong(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made(tmp_path / name)
    result = run(
        *("inspect", tmp_path / "a" / "web.crt", tmp_path / "b" / "web.key", tmp_path / "missing"),
        *("--trust-anchors", tmp_path / "b" / "root.crt", "-o", "json"),
    )
    assert result.exit_code == 1
    shown = json.loads(result.output)
    assert shown["ok"] is False
    chain, key, missing = shown["files"]
    assert any("peers would refuse it as a server" in sentence for sentence in chain["wrong"])
    assert any("belongs to none" in sentence for sentence in key["wrong"])
    assert missing["wrong"] == ["the file cannot be read: No such file or directory"]
    assert chain["certificates"][0]["identity"] == WEB
    assert chain["certificates"][0]["not_after"].endswith("Z")
    assert "PRIVATE" not in result.output


def test_every_command_has_an_example() -> None:
    group = typer.main.get_command(certs.app)
    for command in [group, *group.commands.values()]:  # type: ignore[attr-defined]  # a Typer with commands is a group
        assert "Example:\n  jackstay certs" in (command.help or "")


def test_what_is_made_is_told_to_programs(tmp_path: Path) -> None:
    crt, key = tmp_path / "root.crt", tmp_path / "root.key"
    root = json.loads(run("root", crt, key, "--name", "ours", "-o", "json").output)
    assert root.keys() == {"certificate", "key", "kind", "name", "notAfter", "fingerprint", "warnings"}
    assert (root["certificate"], root["key"], root["kind"], root["name"]) == (
        str(crt),
        str(key),
        "trust anchor",
        "ours",
    )
    assert root["fingerprint"] == fingerprint(TrustBundle.from_pem(crt.read_bytes()).anchors[0])
    by_root = ("--ca", crt, "--ca-key", key, "-o", "json")
    issuer = json.loads(run("issuer", tmp_path / "i.crt", tmp_path / "i.key", *by_root).output)
    assert issuer["kind"] == "issuer"
    assert ["bound to no trust domain" in warning for warning in issuer["warnings"]] == [True]
    bound = ("--trust-domain", "east.jackstay")
    issuer = json.loads(run("issuer", tmp_path / "e.crt", tmp_path / "e.key", *by_root, *bound).output)
    assert issuer["warnings"] == []
    by_issuer = ("--ca", tmp_path / "e.crt", "--ca-key", tmp_path / "e.key", "-o", "json")
    leaf = json.loads(run("leaf", WEB, tmp_path / "w.crt", tmp_path / "w.key", *by_issuer).output)
    assert (leaf["kind"], leaf["identity"], leaf["warnings"]) == ("leaf", WEB, [])
    assert leaf["notAfter"].endswith("Z")


def test_an_authority_that_is_weak_or_ends_soon_is_warned_of_where_it_is_used(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 7, now - timedelta(days=29), now + timedelta(days=1)
    ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (tmp_path / "root.crt").write_bytes(chain_pem(builder.sign(key, hashes.SHA256())))
    (tmp_path / "root.key").write_bytes(key_pem(key))
    made = run(
        *("issuer", tmp_path / "i.crt", tmp_path / "i.key", "--trust-domain", "east.jackstay"),
        *("--ca", tmp_path / "root.crt", "--ca-key", tmp_path / "root.key"),
    )
    assert "The authority that signed it: its key is RSA 2048" in made.output
    assert "The authority that signed it: it ends in" in made.output
    shown = run("inspect", tmp_path / "root.crt")
    assert "RSA 2048, the least" in shown.output
    assert "ends in" in shown.output
    assert shown.exit_code == 0


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (("leaf", WEB, "--lifetime", "1y"), "valid for 365 days, which is long"),
        (
            ("issuer", "--lifetime", "5y", "--trust-domain", "east.jackstay"),
            "valid for 5 years, which is long",
        ),
    ],
)
def test_a_long_life_is_warned_of(tmp_path: Path, made: tuple[str, ...], said: str) -> None:
    run("root", tmp_path / "root.crt", tmp_path / "root.key")
    kind, *options = made
    by = ("--ca", tmp_path / "root.crt", "--ca-key", tmp_path / "root.key")
    identity, options = (options[:1], options[1:]) if kind == "leaf" else ([], options)
    assert said in run(kind, *identity, tmp_path / "x.crt", tmp_path / "x.key", *options, *by).output
