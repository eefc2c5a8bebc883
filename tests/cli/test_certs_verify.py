"""`jackstay certs verify`, on files and on many rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner, Result

from certs.verdict import moment
from cli import certs
from cli.errors import CliError
from tests.certs.forge import CLIENT, HOUR, NOW, WEB, Forged, forge, having
from tests.cli.test_certs import run
from tests.support.pki import Pki

PKI = Pki.make()
GOOD = PKI.leaf("web.test")
STRANGER = Pki.make().leaf("web.test")


def written(directory: Path, chain: bytes, anchors: bytes) -> list[str]:
    """The two files as a command line names them."""
    (directory / "chain.crt").write_bytes(chain)
    (directory / "root.crt").write_bytes(anchors)
    return ["--trust-anchors", str(directory / "root.crt"), str(directory / "chain.crt")]


def row(name: object = "a", **other: object) -> dict[str, object]:
    return {
        "id": name,
        "chain": GOOD.certificate_pem.decode(),
        "anchors": GOOD.anchors_pem.decode(),
        **other,
    }


def batch(*lines: object) -> list[dict[str, Any]]:
    """What `--batch -` answers to *lines*; those that are not bytes are made JSON."""
    data = b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )
    result: Result = CliRunner().invoke(certs.app, ["verify", "--batch", "-"], input=data)
    assert result.exit_code == 0, result.output
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    for answer in answers:
        assert set(answer) == {"id", "ok", "reason", "identity"}
        assert (answer["reason"] is None) == answer["ok"] == (answer["identity"] is not None)
    return answers


@pytest.mark.parametrize("role", ["client", "server", None])
def test_a_good_chain_is_taken_and_named(tmp_path: Path, role: str | None) -> None:
    flags = written(tmp_path, GOOD.certificate_pem, GOOD.anchors_pem)
    result = run("verify", *flags, *(("--as", role) if role else ()))
    assert (result.exit_code, result.stdout) == (0, f"ok: {GOOD.identity}\n")


def test_the_reason_is_said_and_told_by_the_exit_code(tmp_path: Path) -> None:
    result = run("verify", *written(tmp_path, STRANGER.certificate_pem, GOOD.anchors_pem))
    assert result.exit_code == 1
    assert result.stdout.startswith("refused: no trust anchor vouches")


def test_json_has_three_fields(tmp_path: Path) -> None:
    good = run("verify", "-o", "json", *written(tmp_path, GOOD.certificate_pem, GOOD.anchors_pem))
    assert json.loads(good.stdout) == {"ok": True, "reason": None, "identity": GOOD.identity}
    bad = run("verify", "-o", "json", *written(tmp_path, STRANGER.certificate_pem, GOOD.anchors_pem))
    said = json.loads(bad.stdout)
    assert bad.exit_code == 1
    assert set(said) == {"ok", "reason", "identity"}
    assert (said["ok"], said["identity"]) == (False, None)


def client_only() -> Forged:
    return forge(leaf=having(x509.ExtendedKeyUsage([CLIENT])))


def test_the_role_is_a_client_unless_it_is_said(tmp_path: Path) -> None:
    made = client_only()
    flags = written(tmp_path, made.pem, made.root.public_bytes(Encoding.PEM))
    assert run("verify", *flags).exit_code == 0
    assert run("verify", "--as", "client", *flags).exit_code == 0
    refused = run("verify", "--as", "server", *flags)
    assert refused.exit_code == 1
    assert "serverAuth" in refused.stdout


@pytest.mark.parametrize(
    ("hours", "code"), [(-2, 1), (-1, 0), (0, 0), (1, 0), (2, 1)], ids=lambda value: str(value)
)
def test_the_time_may_be_another_than_now(tmp_path: Path, hours: int, code: int) -> None:
    made = forge()
    flags = written(tmp_path, made.pem, made.root.public_bytes(Encoding.PEM))
    at = (NOW + hours * HOUR).isoformat()
    assert run("verify", "--at", at, *flags).exit_code == code


def test_files_that_cannot_be_used_are_reasons(tmp_path: Path) -> None:
    flags = written(tmp_path, GOOD.certificate_pem, GOOD.anchors_pem)
    for chain, anchors, said in (
        (b"", GOOD.anchors_pem, "the chain cannot be read: it is empty"),
        (GOOD.key_pem, GOOD.anchors_pem, "block 1 is a PRIVATE KEY"),
        (GOOD.certificate_pem, b"", "trust anchors: "),
        (GOOD.certificate_pem, GOOD.certificate_pem, "it is not an authority"),
    ):
        result = run("verify", *written(tmp_path, chain, anchors))
        assert result.exit_code == 1
        assert said in result.stdout
    (tmp_path / "chain.crt").unlink()
    missing = run("verify", "-o", "json", *flags)
    assert missing.exit_code == 1
    assert "No such file" in json.loads(missing.stdout)["reason"]


@pytest.mark.parametrize(
    "flags",
    [
        ("chain.crt",),
        ("--trust-anchors", "root.crt"),
        ("--trust-anchors", "root.crt", "chain.crt", "--as", "peer"),
        ("--trust-anchors", "root.crt", "chain.crt", "--at", "yesterday"),
        ("--batch", "-", "chain.crt"),
        ("--batch", "-", "--trust-anchors", "root.crt"),
        ("--batch", "-", "--as", "server"),
        ("--batch", "-", "--at", "2026-01-31T12:00:00Z"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_wrong_use(flags: tuple[str, ...]) -> None:
    assert run("verify", *flags).exit_code == 2


def test_many_are_answered_in_their_order() -> None:
    made = client_only()
    one_way = row("client", chain=made.pem.decode(), anchors=made.root.public_bytes(Encoding.PEM).decode())
    found = batch(
        row(1),
        row("late", at=(NOW + 48 * HOUR).isoformat()),
        row("stranger", chain=STRANGER.certificate_pem.decode()),
        one_way,
        {**one_way, "as": "server"},
        {**one_way, "as": None, "at": None, "more": [1]},
        b"",
        row("last"),
    )
    assert [(answer["id"], answer["ok"]) for answer in found] == [
        (1, True),
        ("late", False),
        ("stranger", False),
        ("client", True),
        ("client", False),
        ("client", True),
        ("last", True),
    ]
    assert found[3]["identity"] == WEB.dns_name
    assert "not valid now" in found[1]["reason"]


BROKEN: list[tuple[object, object]] = [
    (b"{", None),
    (b"[]", None),
    (b"null", None),
    (b"\xff\xfe", None),
    (b"[" * 100_000, None),
    (b'{"id": "a", "id": "b"}', None),
    (b'{"id": "' + b"x" * (4 << 20) + b'"}', None),
    ({}, None),
    ({"id": None}, None),
    ({"id": True}, None),
    ({"id": ["a"]}, None),
    ({"id": "a"}, "a"),
    (row(chain=5), "a"),
    (row(anchors=None), "a"),
    (row(chain="\ud800"), "a"),
    (row("\ud800", chain=""), "\ud800"),
    (row(chain="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "a"),
    (row(chain="-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), "a"),
    (row(anchors="-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), "a"),
    (row(chain=GOOD.certificate_pem.decode() * 500), "a"),
    (row(**{"as": "peer"}), "a"),
    (row(**{"as": ["client"]}), "a"),
    (row(at=0), "a"),
    (row(at="now"), "a"),
    (row(at="2026-01-31T12:00:00"), "a"),
    (row(at="2026-02-30T12:00:00Z"), "a"),
    (row(at="0001-01-01T00:00:00+23:00"), "a"),
]


@pytest.mark.parametrize(("line", "name"), BROKEN, ids=lambda value: str(value)[:40])
def test_a_broken_line_is_answered_and_ends_nothing(line: object, name: object) -> None:
    before, broken, after = batch(row("before"), line, row("after"))
    assert (before["ok"], after["ok"]) == (True, True)
    assert (before["id"], after["id"]) == ("before", "after")
    assert (broken["id"], broken["ok"]) == (name, False)
    assert broken["reason"]
    assert "\n" not in broken["reason"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31 12:00:00-01:30", "2026-01-31T13:30:00+00:00"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000+00:00"),
        ("2026-01-31T12:00:00.123456789+00:00", "2026-01-31T12:00:00.123456+00:00"),
    ],
)
def test_times_are_read_as_rfc_3339_has_them(text: str, same: str) -> None:
    assert moment(text).isoformat() == same


def test_each_line_is_answered_before_the_next_is_asked(tmp_path: Path) -> None:
    """Whoever asks over two pipes must not wait for a buffer to fill."""
    asking = subprocess.Popen(
        [sys.executable, "-m", "cli", "certs", "verify", "--batch", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with asking:
        assert asking.stdin is not None
        assert asking.stdout is not None
        for name in ("a", "b"):
            asking.stdin.write(json.dumps(row(name)).encode() + b"\n")
            asking.stdin.flush()
            assert json.loads(asking.stdout.readline())["id"] == name
        asking.stdin.close()
        assert asking.wait() == 0


def test_a_batch_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text(json.dumps(row()))  # the last line may have no end
    assert json.loads(run("verify", "--batch", file).stdout)["ok"]
    with pytest.raises(CliError, match="cannot be read"):
        run("verify", "--batch", tmp_path / "none")
