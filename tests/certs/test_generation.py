"""The TLS contexts as they work: handshakes in memory."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import make_root
from certs.credentials import Credentials, InvalidCredentials
from certs.generation import Generation, load
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from certs.verification import peer_chain, verify
from tests.certs.handshake import handshake
from tests.support.pki import ALPN, Paths, Pki

PKI = Pki.make()
GATEWAY = PKI.generation("jackstay-gateway.jackstay")
WEB = PKI.generation("web.test")


def now() -> datetime:
    return datetime.now(UTC)


def loaded(paths: Paths, at: datetime | None = None) -> Generation:
    certificate, key, anchors = paths.certificate, paths.key, paths.trust_anchors
    return load(certificate, key, anchors, number=1, at=at or now(), alpn_server=(), alpn_client=())


def of(credentials: Credentials, bundle: TrustBundle) -> Generation:
    return Generation.build(1, credentials, bundle, alpn_server=ALPN, alpn_client=ALPN[:1])


def test_both_ends_know_each_other_after_the_handshake() -> None:
    pair = handshake(WEB.client, GATEWAY.server)
    assert pair.server.version() == "TLSv1.3"
    assert pair.server.selected_alpn_protocol() == "jackstay/1"
    client = verify(peer_chain(pair.server), GATEWAY.bundle, role="client", at=now())
    server = verify(peer_chain(pair.client), WEB.bundle, role="server", at=now())
    assert (client.identity, server.identity) == (WEB.credentials.identity, GATEWAY.credentials.identity)


def test_the_chain_is_what_the_peer_sent_leaf_first() -> None:
    pair = handshake(WEB.client, GATEWAY.server)
    for end, shown in ((pair.server, WEB), (pair.client, GATEWAY)):
        sent = [link.public_bytes(Encoding.DER) for link in shown.credentials.chain]
        assert peer_chain(end) == sent


def test_before_the_handshake_there_is_no_chain() -> None:
    end = GATEWAY.server.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    assert peer_chain(end) == []


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_stranger_is_refused_in_the_handshake(who: Literal["client", "server"]) -> None:
    stranger = Pki.make().generation("web.test", bundle=PKI.bundle)
    contexts = (stranger.client, GATEWAY.server) if who == "client" else (WEB.client, stranger.server)
    with pytest.raises(ssl.SSLError, match=r"unable to get|unknown ca|CERTIFICATE_VERIFY_FAILED") as refused:
        handshake(*contexts)
    assert refused.value.refused_by != who  # type: ignore[attr-defined]  # set by `handshake`


def test_a_client_without_certificate_is_refused() -> None:
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname = False
    nobody.load_verify_locations(cadata=PKI.anchors_pem.decode())
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(nobody, GATEWAY.server)


def test_an_older_tls_is_refused() -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.load_verify_locations(cadata=PKI.anchors_pem.decode())
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        handshake(old, GATEWAY.server)


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("late", [-1, 1], ids=["expired", "not yet valid"])
def test_a_leaf_out_of_its_time_is_refused(who: str, late: int) -> None:
    at = PKI.now + late * timedelta(days=2) if late > 0 else PKI.now - timedelta(hours=3)
    leaf = PKI.leaf("web.test", at=at - timedelta(minutes=5), lifetime=timedelta(hours=1))
    theirs = of(leaf.credentials, PKI.bundle)
    contexts = (theirs.client, GATEWAY.server) if who == "client" else (WEB.client, theirs.server)
    with pytest.raises(ssl.SSLError, match=r"expired|not yet valid"):
        handshake(*contexts)


def test_nothing_is_resumed() -> None:
    first = handshake(WEB.client, GATEWAY.server)
    first.server.write(b"hello")
    assert first.client.read(5) == b"hello"
    assert first.client.session is None or not first.client.session.has_ticket
    assert GATEWAY.server.session_stats()["hits"] == 0
    session = first.client.session
    for number in range(3):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        again = WEB.client.wrap_bio(to_client, to_server, server_hostname="gateway.test", session=session)
        server = GATEWAY.server.wrap_bio(to_server, to_client, server_side=True)
        _drive(again, server)
        assert not again.session_reused, number
    assert GATEWAY.server.session_stats()["hits"] == 0


def _drive(client: ssl.SSLObject, server: ssl.SSLObject) -> None:
    for end in (client, server, client, server):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_only_the_bundle_counts_and_neither_context_asks_for_more_or_less() -> None:
    for context in (GATEWAY.server, GATEWAY.client):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert context.verify_flags == ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
        assert context.get_ca_certs(binary_form=True) == [PKI.root.certificate.public_bytes(Encoding.DER)]
        assert context.keylog_filename is None
    assert GATEWAY.server.num_tickets == 0


def test_a_new_generation_knows_nothing_of_the_old_anchors() -> None:
    other = Pki.make()
    rotated = of(PKI.leaf("jackstay-gateway.jackstay").credentials, other.bundle)
    with pytest.raises(ssl.SSLError):
        handshake(WEB.client, rotated.server)
    both = TrustBundle.from_pem(PKI.anchors_pem + other.anchors_pem)
    handshake(WEB.client, of(GATEWAY.credentials, both).server)
    theirs = other.generation("web.test", bundle=both)
    handshake(theirs.client, of(GATEWAY.credentials, both).server)


def test_files_are_read_into_a_generation(tmp_path: Path) -> None:
    paths = PKI.leaf("web.test").write(tmp_path)
    made = load(
        paths.certificate,
        paths.key,
        paths.trust_anchors,
        number=3,
        at=now(),
        alpn_server=ALPN,
        alpn_client=ALPN,
    )
    assert (made.number, made.bundle.digest) == (3, PKI.bundle.digest)
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize("broken", ["certificate", "key", "trust_anchors"])
@pytest.mark.parametrize("how", ["missing", "empty", "directory"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, broken: str, how: str) -> None:
    paths = PKI.leaf("web.test").write(tmp_path)
    file: Path = getattr(paths, broken)
    file.unlink()
    if how == "directory":
        file.mkdir()
    elif how == "empty":
        file.touch()
    with pytest.raises((InvalidCredentials, InvalidTrustBundle), match=file.name) as refused:
        loaded(paths)
    assert "Errno" not in str(refused.value)
    if how != "empty":  # then it is the one file that cannot be had, and not what two of them hold
        assert str(refused.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (timedelta(days=2), "the leaf has expired, it was valid from"),
        (timedelta(days=-1, minutes=10), "the leaf is not valid yet, but from"),
        (timedelta(days=400), "the leaf has expired"),
    ],
    ids=["expired", "not yet valid", "its issuer too"],
)
def test_what_is_out_of_its_time_is_refused_by_its_file(tmp_path: Path, at: timedelta, said: str) -> None:
    paths = PKI.leaf("web.test").write(tmp_path)
    with pytest.raises(InvalidCredentials) as refused:
        loaded(paths, PKI.now + at)
    assert str(refused.value).startswith(f"{paths.certificate}: {said}")


def test_anchors_that_have_all_expired_are_refused(tmp_path: Path) -> None:
    paths = PKI.leaf("web.test").write(tmp_path)
    with pytest.raises(InvalidTrustBundle, match=r"web-root\.crt: no trust anchor is valid now"):
        loaded(paths, PKI.now + timedelta(days=4000))


def test_a_leaf_of_other_anchors_is_refused_by_both_files(tmp_path: Path) -> None:
    paths = PKI.leaf("web.test").write(tmp_path)
    paths.trust_anchors.write_bytes(make_root("other", now=now()).pem + make_root("third", now=now()).pem)
    with pytest.raises(InvalidCredentials) as refused:
        loaded(paths)
    said = (
        "none of the trust anchors (CN=other, CN=third) vouches for it, it is signed by CN=root.jackstay.test"
    )
    assert str(refused.value).startswith(f"{paths.certificate} under {paths.trust_anchors}: {said}; add")


def test_while_anchors_are_rotated_any_of_them_vouches(tmp_path: Path) -> None:
    old, new = PKI.leaf("web.test"), Pki.make().leaf("web.test")
    for order in (old.anchors_pem + new.anchors_pem, new.anchors_pem + old.anchors_pem):
        for leaf in (old, new):
            paths = leaf.write(tmp_path)
            paths.trust_anchors.write_bytes(order)
            assert loaded(paths).credentials.leaf == leaf.credentials.leaf


def test_the_key_touches_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, certfile: str) -> None:
        seen.append(certfile)
        real(self, certfile)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    PKI.generation("web.test")
    assert all(path.startswith("/proc/self/fd/") for path in seen)
    assert len(seen) == 2
    assert not any(Path(path).exists() for path in seen)
