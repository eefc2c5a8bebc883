"""Whatever bytes come, a chain proves what its authority has signed, or nothing; no verifier breaks."""

from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certs.certificate import InvalidCertificate, parse
from certs.der import inside, split
from certs.trust_bundle import InvalidTrustBundle, TrustBundle
from certs.verdict import verdict
from certs.verification import Untrusted, verify
from tests.certs.der import edited, element, replaced, sequence, with_extensions
from tests.certs.forge import NOW, WEB, but, forge, new_key

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of the library, about serial numbers

ISSUER_KEY = new_key()
MADE = forge(issuer=but(key=ISSUER_KEY))
LEAF, ISSUER = MADE.chain
Role = Literal["client", "server"]
roles = st.sampled_from(["client", "server"])


def identity(chain: list[bytes], role: Role) -> str | None:
    """Whom *chain* proves; None if it is refused. Anything else is an error of ours."""
    try:
        return verify(chain, MADE.bundle, role=role, at=NOW).identity
    except Untrusted:
        return None


def test_the_chain_is_good_before_it_is_changed() -> None:
    assert identity([LEAF, ISSUER], "client") == identity([LEAF, ISSUER], "server") == WEB.dns_name


@settings(deadline=None)
@given(st.lists(st.binary(max_size=400), max_size=6), roles)
def test_any_bytes_are_refused(chain: list[bytes], role: Role) -> None:
    assert identity(chain, role) is None


@settings(deadline=None)
@given(st.sampled_from([0, 1]), st.data(), roles)
def test_a_changed_byte_never_proves_another(position: int, data: st.DataObject, role: Role) -> None:
    changed = [bytearray(LEAF), bytearray(ISSUER)]
    at = data.draw(st.integers(0, len(changed[position]) - 1))
    changed[position][at] ^= data.draw(st.integers(1, 255))
    assert identity([bytes(link) for link in changed], role) is None


@settings(deadline=None)
@given(st.sampled_from([0, 1]), st.data(), roles)
def test_what_is_cut_out_or_put_in_twice_proves_nobody(
    position: int, data: st.DataObject, role: Role
) -> None:
    changed = [LEAF, ISSUER]
    whole = changed[position]
    begin = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(begin + 1, len(whole)))
    cut, doubled = whole[:begin] + whole[end:], whole[:end] + whole[begin:]
    for other in (cut, doubled):
        changed[position] = other
        assert identity(changed, role) is None


tags = st.sampled_from(
    [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0xA0]
)
elements = st.recursive(
    st.builds(element, tags, st.binary(max_size=40)),
    lambda inner: st.builds(lambda parts: sequence(*parts), st.lists(inner, max_size=4)),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 7), elements, roles)
def test_a_signed_leaf_with_any_element_in_a_field_is_no_other(at: int, value: bytes, role: Role) -> None:
    """Its authority has signed it, so that every part of the parser and of the profile is reached."""
    leaf = edited(LEAF, ISSUER_KEY, lambda tbs: replaced(tbs, at, value))
    assert identity([leaf, ISSUER], role) in (None, WEB.dns_name)


OIDS = [
    *(bytes([6, 3, 0x55, 0x1D, last]) for last in (14, 15, 17, 18, 19, 30, 31, 32, 33, 35, 36, 37, 46, 54)),
    bytes.fromhex("06082B06010505070101"),  # authorityInfoAccess
    bytes.fromhex("06082B06010505070107"),  # addresses
    bytes.fromhex("06082B0601050507010E"),  # proxies
    bytes.fromhex("06096086480186F8420101"),  # Netscape's type
    bytes.fromhex("060A2B06010401D679020402"),  # signed certificate timestamps
    bytes.fromhex("06032A0304"),  # nobody's
]


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(OIDS), st.booleans(), elements | st.binary(max_size=60), st.booleans(), roles)
@example(OIDS[17], False, b"", True, "client")
@example(OIDS[5], True, sequence(), True, "client")
def test_a_signed_leaf_with_any_extension_is_no_other(
    oid: bytes,
    critical: bool,
    value: bytes,
    instead: bool,
    role: Role,
) -> None:
    mark = [b"\1\1\xff"] if critical else []
    new = sequence(oid, *mark, element(4, value))

    def change(extensions: list[bytes]) -> list[bytes]:
        kept = [one for one in extensions if not (instead and split(inside(one))[0] == oid)]
        return [*kept, new]

    leaf = edited(LEAF, ISSUER_KEY, with_extensions(change))
    assert identity([leaf, ISSUER], role) in (None, WEB.dns_name)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=80).map(lambda text: text.encode(errors="replace")), roles)
def test_no_name_that_is_signed_is_taken_for_another(name: bytes, role: Role) -> None:
    """The names are the issuer's to give: what is proved is exactly what was signed, or nothing."""
    names = sequence(bytes.fromhex("0603551D11"), b"\1\1\xff", element(4, sequence(element(0x82, name))))
    leaf = edited(LEAF, ISSUER_KEY, with_extensions(lambda all_: [names, *all_[1:]]))
    assert identity([leaf, ISSUER], role) in (None, name.decode(errors="replace"))


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), roles)
def test_no_file_is_an_error_of_ours(chain: bytes, anchors: bytes, role: Role) -> None:
    found = verdict(chain, anchors, role=role, at=NOW)
    assert not found.ok
    assert found.reason


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_are_an_anchor_or_break_the_reader(data: bytes) -> None:
    with pytest.raises(InvalidCertificate):
        parse(data)
    with pytest.raises(InvalidTrustBundle):
        TrustBundle.from_pem(data)
