from datetime import timedelta

import pytest
from cryptography import x509

from certs import fitness
from certs.authority import make_root
from certs.credentials import Credentials, key_pem
from certs.fitness import NotVouchedFor, OutOfTime
from certs.trust_bundle import TrustBundle
from tests.certs.forge import CLIENT, HOUR, NOW, SERVER, Forged, but, forge, having, without
from tests.support.pki import Pki

PKI = Pki.make(now=NOW)
WEB = PKI.leaf("web.test").credentials


def of(made: Forged) -> Credentials:
    return Credentials.from_pem(made.pem, key_pem(made.key))  # type: ignore[arg-type]  # ECDSA, unless told


@pytest.mark.parametrize("purpose", [CLIENT, SERVER], ids=["client", "server"])
def test_to_be_taken_at_one_of_the_two_ends_is_enough(purpose: x509.ObjectIdentifier) -> None:
    made = forge(leaf=having(x509.ExtendedKeyUsage([purpose])))
    fitness.check(of(made), made.bundle, at=NOW)


def test_what_peers_refuse_at_both_ends_is_refused_with_their_reason() -> None:
    made = forge(leaf=without(x509.ExtendedKeyUsage))
    with pytest.raises(
        NotVouchedFor, match=r"anchors \(CN=root\) would refuse it: the leaf: its extended key"
    ):
        fitness.check(of(made), made.bundle, at=NOW)


def test_the_bounds_of_its_time_are_within_it() -> None:
    made = forge(leaf=but(begin=NOW, end=NOW + HOUR), root=but(begin=NOW - HOUR, end=NOW + 3 * HOUR))
    for at in (NOW, NOW + HOUR):
        fitness.check(of(made), made.bundle, at=at)
    for at in (NOW - timedelta(seconds=1), NOW + HOUR + timedelta(seconds=1)):
        with pytest.raises(OutOfTime):
            fitness.check(of(made), made.bundle, at=at)


def test_an_issuer_that_has_expired_is_said_to_be_the_issuer() -> None:
    made = forge(issuer=but(begin=NOW - 3 * HOUR, end=NOW - HOUR))
    with pytest.raises(OutOfTime, match="the issuer has expired"):
        fitness.check(of(made), made.bundle, at=NOW)


def test_of_two_anchors_of_one_name_the_right_one_vouches() -> None:
    made = forge()
    both = TrustBundle.from_pem(forge().bundle.pem + made.bundle.pem)
    fitness.check(of(made), both, at=NOW)


def test_an_anchor_that_was_made_anew_under_the_same_name_is_told_apart() -> None:
    with pytest.raises(
        NotVouchedFor, match=r"signed by another CN=root\.jackstay\.test than the trust anchor"
    ):
        fitness.check(WEB, Pki.make(now=NOW).bundle, at=NOW)


def test_a_leaf_without_its_issuer_is_signed_by_none_of_the_anchors() -> None:
    alone = Credentials.from_pem(WEB.chain_pem[: WEB.chain_pem.index(b"-----END") + 26], WEB.key_pem)
    assert len(alone.chain) == 1
    with pytest.raises(NotVouchedFor, match=r"signed by CN=identity\.jackstay\.test; .* behind the leaf"):
        fitness.check(alone, PKI.bundle, at=NOW)


def test_of_many_anchors_a_few_are_named() -> None:
    many = TrustBundle.from_pem(b"".join(make_root(f"root {number}", now=NOW).pem for number in range(7)))
    with pytest.raises(NotVouchedFor, match=r"\(CN=root 0, .*, CN=root 4 and 2 more\)"):
        fitness.check(WEB, many, at=NOW)
