import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.identity import Identity, InvalidIdentity, check_trust_domain

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda label: not label.startswith("xn--")
)
IDENTITIES = st.builds(Identity, LABEL, LABEL, LABEL, st.lists(LABEL, min_size=1, max_size=4).map(".".join))
FORM = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+\.serviceaccount\.identity\.[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)


def test_a_name_is_told_apart_into_account_namespace_control_plane_and_trust_domain() -> None:
    name = "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local"
    assert len(name) == 82
    identity = Identity.parse(name)
    assert identity == Identity("linkerd-gateway", "linkerd-multicluster", "linkerd", "cluster.local")
    assert identity.dns_name == name
    assert identity.spiffe_uri == "spiffe://cluster.local/ns/linkerd-multicluster/sa/linkerd-gateway"


def test_a_trust_domain_may_be_one_label() -> None:
    name = "web.test.serviceaccount.identity.jackstay.east"
    assert Identity.parse(name).trust_domain == "east"


@settings(deadline=None)
@given(IDENTITIES)
def test_what_is_written_is_read_back(identity: Identity) -> None:
    assert Identity.parse(identity.dns_name) == identity


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_an_identity_in_the_one_form_or_refused(text: str) -> None:
    try:
        identity = Identity.parse(text)
    except InvalidIdentity:
        return
    assert identity.dns_name == text
    assert FORM.fullmatch(text)


@settings(deadline=None)
@given(IDENTITIES, st.integers(min_value=0), st.characters(codec="utf-8"))
def test_a_character_put_into_a_name_makes_another_name_or_none(
    identity: Identity, position: int, character: str
) -> None:
    name = identity.dns_name
    at = position % (len(name) + 1)
    changed = name[:at] + character + name[at:]
    try:
        other = Identity.parse(changed)
    except InvalidIdentity:
        return
    assert other != identity
    assert FORM.fullmatch(changed)


def test_a_service_account_with_a_dot_is_refused_by_that_name() -> None:
    with pytest.raises(InvalidIdentity, match="has a dot"):
        Identity("a.b", "test", "jackstay", "cluster.local")


@pytest.mark.parametrize("domain", ["", ".", "a..b", "a.", ".a", "A", "a_b", "a b", "é", "a" * 64, "a\n"])
def test_a_trust_domain_has_one_form(domain: str) -> None:
    with pytest.raises(InvalidIdentity):
        check_trust_domain(domain)


def test_a_long_name_is_not_shown_whole() -> None:
    with pytest.raises(InvalidIdentity) as refused:
        Identity.parse("a\0" * 100_000)
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()
