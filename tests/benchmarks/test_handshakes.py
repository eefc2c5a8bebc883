"""Chains of every kind are ones that peers take, and a very short real run counts handshakes alone."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.handshake_maker import Clients, maker
from benchmarks.handshakes import Row, to_markdown
from benchmarks.key_kinds import KINDS, Kind, authorities, new_key, of_kind
from benchmarks.ours import gateway_end, refusals
from benchmarks.site import site
from certs import anchors
from certs.authority import sign_leaf
from certs.certificate import key_type
from certs.identity import Identity
from certs.verification import verify

HOUSE = Path(__file__).parents[2]
FEW = [kind for kind in KINDS if kind.key != "RSA 4096"]


@pytest.mark.parametrize("kind", FEW, ids=str)
def test_a_chain_of_each_kind_is_one_that_peers_take(kind: Kind) -> None:
    now = datetime.now(UTC)
    anchor, issuer = authorities(kind, now)
    key = new_key(kind.key)
    chain = sign_leaf(Identity("web", "test", "jackstay", "cluster.local"), key.public_key(), issuer, now=now)
    assert len(chain) == 1 + kind.issuers
    assert {key_type(link.public_key()).removeprefix("ECDSA ") for link in (*chain, anchor)} == {kind.key}
    sent = [link.public_bytes(Encoding.DER) for link in chain]
    assert verify(sent, anchors.of((anchor,)), role="client", at=now).identity.startswith("web.test.")


def test_a_run_makes_handshakes_of_every_kind_and_writes_what_they_cost(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "handshakes", "--seconds", "0.1", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=HOUSE,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    rows = json.loads((tmp_path / "handshakes.json").read_text())["rows"]
    assert [(row["key"], row["issuers"], row["newcomers"]) for row in rows] == [
        (kind.key, kind.issuers, newcomers) for kind in KINDS for newcomers in (False, True)
    ]
    for row in rows:
        assert row["done"] > 0
        assert row["gateway_us"] > 0
        assert row["clients_us"] > 0
        # Where others use the machine too, a handshake may wait for so long that it is dropped.
        assert row["wrong"] == sum(row["refused"].values()) == row["refused"].get("limit", 0), row
    assert done.returncode == any(row["wrong"] for row in rows)
    assert (tmp_path / "handshakes.md").read_text() in done.stdout


def test_a_client_that_is_not_let_in_has_failed_although_its_own_side_was_done(tmp_path: Path) -> None:
    """In TLS 1.3 it is done before the gateway has looked: its certificate is of another authority here."""
    with site(tmp_path) as here, maker() as clients:
        chains, others = of_kind(here, Kind("P-256", 1)).site, of_kind(here, Kind("P-256", 2)).site
        place, admin = chains.places(2)
        with gateway_end(chains, place, admin):
            clients.prepare(Clients([others.client], chains.anchors, place, chains.gateway.identity))
            made = clients.make(60, most=3)
            assert (made.right, made.wrong) == (0, 3)
            assert made.failure
            assert refusals(admin) == {"untrusted": 3}


def test_cpu_is_compared_with_p_256_under_one_issuer_of_the_same_clients() -> None:
    def row(key: str, cpu: float, *, newcomers: bool) -> Row:
        return Row(key, 1, newcomers, 885, cpu, 400.0, 1234.5, 3000, 0, "", {})

    rows = [row("P-256", 500.0, newcomers=False), row("P-256", 900.0, newcomers=True)]
    rows += [row("RSA 4096", 2000.0, newcomers=False), row("RSA 4096", 2700.0, newcomers=True)]
    *_, known, new = to_markdown(rows, "a machine", 3.0).splitlines()
    assert known == "| RSA 4096 | 1 | known | 885 B | 2,000 µs | 1,234 | 4.00 | 400 µs | 0 |"
    assert new == "| RSA 4096 | 1 | new | 885 B | 2,700 µs | 1,234 | 3.00 | 400 µs | 0 |"
