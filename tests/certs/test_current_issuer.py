"""A new issuer is used, a broken one is not, and what peers would not take issues nothing."""

import re
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from certs.authority import Authority, CannotIssue, make_issuer
from certs.current_issuer import CurrentIssuer, Material
from certs.issuer import Settings
from certs.notices import ISSUER_FAILED, ISSUER_SKIPPED, ISSUER_UPDATED
from certs.trust_bundle import TrustBundle
from tests.support.pki import DAY, Pki
from tests.support.vouching import Told

PKI, OTHER = Pki.make(), Pki.make()
NEWER = make_issuer("newer", PKI.root, now=PKI.now)
BOTH = TrustBundle.from_pem(PKI.anchors_pem + OTHER.anchors_pem)


def material(issuer: Authority, key: bytes = b"") -> Material:
    return Material(issuer.pem, key or issuer.key_pem, "Secret jackstay/issuer")


class Held:
    """A current issuer, with all that it tells."""

    def __init__(self, bundle: TrustBundle = PKI.bundle) -> None:
        self.told = Told()
        self.changes = 0
        self.now: datetime = PKI.now
        self.registry = CollectorRegistry()
        self.issuer = CurrentIssuer(
            bundle,
            Settings("jackstay", PKI.trust_domain),
            self.told,
            self.registry,
            changed=self._changed,
            now=lambda: self.now,
        )

    def _changed(self) -> None:
        self.changes += 1

    @property
    def used(self) -> Authority | None:
        if self.issuer.trouble:
            with pytest.raises(CannotIssue, match=re.escape(self.issuer.trouble)):
                self.issuer.usable()
            return None
        return self.issuer.usable().authority

    def uses(self, authority: Authority) -> bool:
        return self.used is not None and self.used.certificate == authority.certificate

    def reloads(self, result: str) -> float:
        found = self.registry.get_sample_value("jackstay_identity_issuer_reloads_total", {"result": result})
        return found or 0.0

    @property
    def ttl(self) -> float | None:
        return self.registry.get_sample_value("issuer_cert_ttl_seconds")


@pytest.fixture
def held() -> Held:
    """One that uses the issuer of PKI."""
    made = Held()
    made.issuer.offer(material(PKI.issuer))
    assert made.uses(PKI.issuer)
    return made


def test_in_the_beginning_there_is_none() -> None:
    held = Held()
    assert held.used is None
    assert held.issuer.trouble == "no issuer has been read yet"
    assert held.ttl == 0
    assert (held.changes, held.told.notices) == (0, [])


def test_the_first_is_taken_without_a_word(held: Held) -> None:
    assert (held.changes, held.told.notices, held.reloads("taken")) == (1, [], 1)
    assert held.ttl == pytest.approx(364 * 86400, abs=1)


def test_the_first_after_a_refused_one_is_told_of() -> None:
    held = Held()
    held.issuer.offer(material(OTHER.issuer))
    assert held.used is None
    assert "peers would refuse" in held.issuer.trouble
    held.issuer.offer(material(PKI.issuer))
    assert held.uses(PKI.issuer)
    assert held.told.reasons == [ISSUER_SKIPPED, ISSUER_UPDATED]


def test_a_new_one_is_used(held: Held) -> None:
    with capture_logs() as logs:
        held.issuer.offer(material(NEWER))
    assert held.uses(NEWER)
    assert (held.changes, held.reloads("taken"), held.told.reasons) == (2, 2, [ISSUER_UPDATED])
    assert [(line["event"], line["source"]) for line in logs] == [("issuer.loaded", "Secret jackstay/issuer")]
    assert held.told.notices[0].account is None


def test_the_same_again_is_no_news(held: Held) -> None:
    held.issuer.offer(material(PKI.issuer))
    assert (held.changes, held.told.notices) == (1, [])


@pytest.mark.parametrize(
    "broken",
    [
        material(OTHER.issuer),
        material(NEWER, PKI.issuer.key_pem),
        Material(b"", b"", "x"),
        Material(NEWER.pem, b"no key", "x"),
        Material(b"\xff" * 50, NEWER.key_pem, "x"),
        material(make_issuer("old", PKI.root, now=PKI.now - DAY, lifetime=DAY / 2)),
        material(make_issuer("west", PKI.root, now=PKI.now, trust_domain="west.jackstay")),
    ],
    ids=range(7),
)
def test_one_that_cannot_be_used_changes_nothing_and_is_told_of_once(held: Held, broken: Material) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            held.issuer.offer(broken)
            held.issuer.look()
    assert held.uses(PKI.issuer)
    assert (held.changes, held.reloads("refused"), held.told.reasons) == (1, 1, [ISSUER_SKIPPED])
    assert [line["event"] for line in logs] == ["issuer.refused"]
    assert "PRIVATE KEY" not in repr([logs, held.told.notices, broken])


def test_what_was_refused_is_told_of_anew_when_it_comes_back(held: Held) -> None:
    for offered in (OTHER.issuer, PKI.issuer, OTHER.issuer):
        held.issuer.offer(material(offered))
    assert held.told.reasons == [ISSUER_SKIPPED, ISSUER_SKIPPED]
    assert held.uses(PKI.issuer)


def test_an_issuer_that_is_gone_is_used_on(held: Held) -> None:
    held.issuer.missing("there is no Secret jackstay/issuer")
    assert held.uses(PKI.issuer)
    assert held.told.reasons == [ISSUER_SKIPPED]


def test_anchors_that_do_not_vouch_for_it_stop_it_until_they_do(held: Held) -> None:
    held.issuer.trust(OTHER.bundle)
    assert held.used is None
    assert "can be used no more: peers would refuse" in held.issuer.trouble
    assert held.told.reasons == [ISSUER_FAILED]
    held.issuer.look()
    assert held.told.reasons == [ISSUER_FAILED]  # once
    held.issuer.trust(BOTH)
    assert held.uses(PKI.issuer)
    assert held.changes == 3


def test_an_issuer_that_comes_before_its_anchor_is_used_once_that_is_there(held: Held) -> None:
    held.issuer.offer(material(OTHER.issuer))
    assert held.uses(PKI.issuer)
    held.issuer.trust(BOTH)
    assert held.uses(OTHER.issuer)
    held.issuer.trust(OTHER.bundle)
    assert held.uses(OTHER.issuer)
    assert held.told.reasons == [ISSUER_SKIPPED, ISSUER_UPDATED]


def test_while_it_is_stopped_another_one_is_taken(held: Held) -> None:
    held.issuer.trust(OTHER.bundle)
    held.issuer.offer(material(OTHER.issuer))
    assert held.uses(OTHER.issuer)


def test_its_end_stops_it(held: Held) -> None:
    held.now = PKI.now + 400 * DAY
    held.issuer.look()
    assert held.used is None
    assert held.told.reasons == [ISSUER_FAILED]
    assert held.ttl == 0


def test_one_whose_time_has_not_come_is_taken_when_it_has(held: Held) -> None:
    later = make_issuer("later", PKI.root, now=PKI.now + timedelta(hours=1))
    held.issuer.offer(material(later))
    assert held.uses(PKI.issuer)
    held.now = PKI.now + timedelta(hours=2)
    held.issuer.look()
    assert held.uses(later)
