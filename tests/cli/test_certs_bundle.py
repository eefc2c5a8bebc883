"""`jackstay certs bundle`: anchors put together and taken apart."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs import anchors
from certs.authority import make_root
from certs.trust_bundle import TrustBundle
from cli.errors import CliError
from tests.certs.test_foreign_chains import openssl
from tests.cli.test_certs import run
from tests.support.pki import Pki

A, B = Pki.make(), Pki.make()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "a.crt").write_bytes(A.anchors_pem)
    (tmp_path / "b.crt").write_bytes(B.anchors_pem)
    return tmp_path


def fp(pki: Pki) -> str:
    return anchors.fingerprint(pki.root.certificate)


def test_each_anchor_is_in_it_once_and_named_by_its_fingerprint(files: Path) -> None:
    out = files / "both.crt"
    result = run("bundle", out, files / "a.crt", files / "b.crt", files / "a.crt", "-o", "json")
    shown = json.loads(result.output)
    made = TrustBundle.from_pem(out.read_bytes())
    assert made.anchors == (A.root.certificate, B.root.certificate)
    assert shown["sha256"] == made.digest
    assert [anchor["fingerprint"] for anchor in shown["anchors"]] == [fp(A), fp(B)]
    assert shown["warnings"] == []


def test_alone_a_bundle_is_shown_and_stays_as_it_is(files: Path) -> None:
    before = (files / "a.crt").read_bytes()
    result = run("bundle", files / "a.crt")
    assert f"1 trust anchor, sha256 {A.bundle.digest}" in result.output
    assert fp(A) in result.output
    assert (files / "a.crt").read_bytes() == before


@pytest.mark.parametrize("by", ["file", "fingerprint", "colons"])
def test_an_anchor_is_taken_out_by_file_or_fingerprint(files: Path, by: str) -> None:
    out = files / "bundle.crt"
    run("bundle", out, files / "a.crt", files / "b.crt")
    spelled = ":".join(fp(A)[at : at + 2] for at in range(0, 64, 2)).upper()
    name = {"file": files / "a.crt", "fingerprint": fp(A)[:12], "colons": spelled}[by]
    assert run("bundle", out, out, "--remove", name, "--force").exit_code == 0
    assert TrustBundle.from_pem(out.read_bytes()) == B.bundle


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("b.crt", "a.crt"), "exists, and nothing was written"),
        (("new.crt", "a.crt", "--remove", "a.crt"), "no trust anchor would be left"),
        (("new.crt", "a.crt", "--remove", "b.crt"), "no file of one of these"),
        (("new.crt", "a.crt", "--remove", fp(A)[:7]), "no file of one of these"),
        (("a.crt", "--remove", "a.crt"), "nothing is written when one file is shown"),
        (("new.crt", "web.crt"), "not an authority"),
        (("new.crt", "missing.crt"), "No such file"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    files: Path, arguments: tuple[str, ...], said: str
) -> None:
    A.leaf("web.test").write(files, "web")
    before = {file: file.read_bytes() for file in files.iterdir()}
    with pytest.raises(CliError, match=said):
        run("bundle", *(files / word if word.endswith(".crt") else word for word in arguments))
    assert {file: file.read_bytes() for file in files.iterdir()} == before


def test_weak_and_ending_anchors_are_warned_of(tmp_path: Path) -> None:
    openssl(
        tmp_path,
        "req -x509 -newkey rsa:2048 -nodes -keyout weak.key -out weak.crt -days 9000 -subj /CN=weak",
    )
    then = datetime.now(UTC) - timedelta(days=2)
    (tmp_path / "short.crt").write_bytes(make_root("over", now=then, lifetime=timedelta(days=1)).pem)
    said = json.loads(
        run(
            "bundle", tmp_path / "out.crt", tmp_path / "weak.crt", tmp_path / "short.crt", "-o", "json"
        ).output
    )["warnings"]
    assert len(said) == 3
    assert "RSA 2048, the least that peers take" in said[0]
    assert "valid for 24 years, which is long" in said[1]
    assert "has expired" in said[2]


def test_an_anchor_over_sha_1_is_refused_for_that_and_signs_nothing(files: Path) -> None:
    openssl(
        files,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha1 -keyout s.key -out s.crt "
        "-days 30 -subj /CN=s",
    )
    taken = "it is signed with ECDSA-SHA1; taken are SHA-256, SHA-384 and SHA-512"
    with pytest.raises(CliError, match=f"trust anchor 1: {taken}"):
        run("bundle", files / "out.crt", files / "s.crt")
    with pytest.raises(CliError, match=f"the authority cannot be used: {taken}"):
        run("issuer", files / "i.crt", files / "i.key", "--ca", files / "s.crt", "--ca-key", files / "s.key")
    assert not (files / "i.crt").exists()


def test_an_issuer_that_is_signed_over_sha_1_signs_nothing(files: Path) -> None:
    (files / "root.key").write_bytes(A.root.key_pem)
    (files / "ext").write_text("basicConstraints=critical,CA:TRUE")
    openssl(
        files,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout i.key -out i.csr -subj /CN=i",
        "x509 -req -in i.csr -sha1 -CA a.crt -CAkey root.key -set_serial 7 -days 30 -extfile ext -out i.crt",
    )
    with pytest.raises(CliError, match="signed with ECDSA-SHA1"):
        run("leaf", A.identity("web.test").dns_name, files / "w.crt", files / "w.key",
            "--ca", files / "i.crt", "--ca-key", files / "i.key")  # fmt: skip
