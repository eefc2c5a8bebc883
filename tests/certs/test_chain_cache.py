"""Verified chains are remembered byte for byte, in time, and within bounds."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs import chain_cache
from certs.chain_cache import VerifiedChains
from certs.verification import Peer, Role, Untrusted, verify
from tests.support.pki import Pki

PKI = Pki.make()
HOUR = timedelta(hours=1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Role]:
    """In which roles chains were really verified."""
    roles: list[Role] = []

    def counting(
        chain: list[bytes], bundle: object, *, role: Role, at: datetime, revocations: object
    ) -> Peer:
        roles.append(role)
        return verify(chain, PKI.bundle, role=role, at=at)

    monkeypatch.setattr(chain_cache, "verify", counting)
    return roles


WEB = PKI.leaf("web.test").chain
OTHER = PKI.leaf("web.test").chain
ROOT = PKI.root.certificate.public_bytes(Encoding.DER)


def test_the_same_chain_is_verified_once(asked: list[Role]) -> None:
    chains = VerifiedChains(PKI.bundle)
    first = chains.verify(WEB, role="client", at=PKI.now)
    again = chains.verify([bytes(bytearray(link)) for link in WEB], role="client", at=PKI.now + HOUR)
    assert first is again
    assert first == verify(WEB, PKI.bundle, role="client", at=PKI.now)
    assert asked == ["client"]


def test_another_chain_or_role_is_another_question(asked: list[Role]) -> None:
    chains = VerifiedChains(PKI.bundle)
    for chain in (WEB, OTHER, [*WEB, ROOT]):
        for _ in range(2):
            chains.verify(chain, role="client", at=PKI.now)
    chains.verify(WEB, role="server", at=PKI.now)
    assert asked == ["client", "client", "client", "server"]


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_one_byte_makes_another_chain(asked: list[Role], cut: int) -> None:
    chains = VerifiedChains(PKI.bundle)
    chains.verify(WEB, role="client", at=PKI.now)
    leaf = bytearray(WEB[0])
    leaf[cut] ^= 1
    with pytest.raises(Untrusted):
        chains.verify([bytes(leaf), *WEB[1:]], role="client", at=PKI.now)
    assert len(chains) == 1


def test_a_chain_that_has_ended_is_refused_although_it_is_known() -> None:
    chains = VerifiedChains(PKI.bundle)
    peer = chains.verify(WEB, role="client", at=PKI.now)
    assert chains.verify(WEB, role="client", at=peer.not_after) is peer
    assert chains.verify(WEB, role="client", at=peer.not_before) is peer
    for outside in (peer.not_after + HOUR, peer.not_before - HOUR):
        with pytest.raises(Untrusted, match="not valid now"):
            chains.verify(WEB, role="client", at=outside)


def test_who_was_refused_is_not_remembered(asked: list[Role]) -> None:
    chains = VerifiedChains(PKI.bundle)
    stranger = Pki.make().leaf("web.test").chain
    for _ in range(2):
        with pytest.raises(Untrusted):
            chains.verify(stranger, role="client", at=PKI.now)
    assert len(chains) == 0
    assert len(asked) == 2


def test_the_number_is_bounded_and_the_latest_stay(asked: list[Role]) -> None:
    chains = VerifiedChains(PKI.bundle, most_chains=2)
    third = PKI.leaf("api.test").chain
    for chain in (WEB, OTHER, WEB, third, WEB):
        chains.verify(chain, role="client", at=PKI.now)
    assert len(asked) == 3
    assert len(chains) == 2
    chains.verify(OTHER, role="client", at=PKI.now)
    assert len(asked) == 4


def test_the_bytes_are_bounded_too(asked: list[Role]) -> None:
    size = sum(map(len, WEB))
    chains = VerifiedChains(PKI.bundle, most_bytes=size + 100)
    for chain in (WEB, OTHER, WEB):
        chains.verify(chain, role="client", at=PKI.now)
        assert len(chains) == 1
    assert len(asked) == 3


def test_many_threads_get_the_same_answers() -> None:
    chains = VerifiedChains(PKI.bundle, most_chains=2)
    known = {name: PKI.leaf(name).chain for name in ("a.test", "b.test", "c.test")}
    names = [*known] * 50
    with ThreadPoolExecutor(8) as threads:
        peers = threads.map(lambda name: chains.verify(known[name], role="client", at=PKI.now), names)
        assert [peer.identity.split(".")[0] for peer in peers] == [name[0] for name in names]
    assert len(chains) <= 2
