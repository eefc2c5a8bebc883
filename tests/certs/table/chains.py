"""Chains that lead to no anchor or over the limits, what is no certificate, and no proof of a key."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.certs.forge import Draft, Forged, authority, but, forge, leaf_draft, new_key, sign
from tests.certs.table.example import BOTH, Example, Make, Role, Row, row, shown
from tests.support.bare_tls import signing

_row = partial(row, "chains")
_NO_PATH = "TLS: |no trust anchor"


def changed(
    category: str,
    name: str,
    said: str,
    change: Callable[[Example], Example],
    *,
    roles: tuple[Role, ...] = BOTH,
    reason: str = "untrusted",
    issuers: int = 1,
) -> Row:
    """What *change* makes of a good example; and that one."""

    def good() -> Example:
        return shown(forge(issuers=issuers))

    return Row(category, name, said, lambda: change(good()), good, roles, reason)


def _chain(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Example], Example]:
    return lambda one: replace(one, chain=change(list(one.chain)))


def _other_anchors(change: Callable[[Forged], bytes]) -> Make:
    def make() -> Example:
        made = forge()
        return replace(shown(made), anchors=change(made))

    return make


def _root(draft: Draft) -> bytes:
    return sign(draft, None).public_bytes(Encoding.PEM)


def _self_signed() -> Example:
    draft = leaf_draft()
    alone = sign(replace(draft, subject="web"), None)
    return Example([alone.public_bytes(Encoding.DER)], signing(draft.key), shown(forge()).anchors)


def _loop() -> Example:
    """Two authorities that have signed each other, and neither is an anchor."""
    one, two = authority("one"), authority("two")
    first = sign(one, (two, sign(two, None)))
    second = sign(two, (one, sign(one, None)))
    draft = leaf_draft()
    leaf = sign(draft, (one, first))
    chain = [link.public_bytes(Encoding.DER) for link in (leaf, first, second)]
    return Example(chain, signing(draft.key), shown(forge()).anchors)


def _good() -> Example:
    return shown(forge())


def _foreign(part: int) -> Callable[[Example], Example]:
    """One certificate of the chain is that of another chain, made the same way under other keys."""
    return _chain(lambda chain: [*chain[:part], shown(forge()).chain[part], *chain[part + 1 :]])


_changed = partial(changed, "chains")

ROWS: list[Row] = [
    Row("chains", "another root", _NO_PATH, _other_anchors(lambda _: _root(authority("other"))), _good),
    Row(
        "chains",
        "another root of the same name",
        _NO_PATH,
        _other_anchors(lambda _: _root(authority("root"))),
        _good,
    ),
    Row(
        "chains",
        "another root of the same name, RSA",
        _NO_PATH,
        _other_anchors(
            lambda _: _root(
                but(key=ec.generate_private_key(ec.SECP384R1()), digest=hashes.SHA512())(authority("root"))
            )
        ),
        _good,
    ),
    Row("chains", "self-signed", _NO_PATH, _self_signed, _good),
    Row("chains", "two authorities that signed each other", _NO_PATH, _loop, _good),
    _changed("no issuer", _NO_PATH, _chain(lambda chain: chain[:1])),
    _changed("the second issuer is missing", _NO_PATH, _chain(lambda chain: chain[:2]), issuers=2),
    _changed("the first issuer is missing", _NO_PATH, _chain(lambda chain: [chain[0], chain[2]]), issuers=2),
    _changed("another's issuer", _NO_PATH, _foreign(1)),
    _changed("an issuer alone", "TLS: |authority", _chain(lambda chain: chain[1:])),
    _changed("the issuer first", "TLS: |authority", _chain(lambda chain: chain[::-1])),
    _changed(
        "issuers in the wrong order",
        "in order",
        _chain(lambda chain: [chain[0], chain[2], chain[1]]),
        issuers=2,
    ),
    _changed("the leaf behind its issuer again", "order|twice", _chain(lambda chain: [*chain, chain[0]])),
    _changed(
        "a stranger's issuer behind", "in order", _chain(lambda chain: [*chain, forge(issuers=2).chain[1]])
    ),
    _changed(
        "a stranger's issuer between",
        "in order",
        _chain(lambda chain: [chain[0], forge(issuers=2).chain[1], *chain[1:]]),
    ),
    _changed(
        "the root in the place of the leaf",
        "TLS: |authority|self",
        lambda one: replace(one, chain=[*one.chain[1:], one.chain[0]]),
    ),
    _changed("six certificates, one of them twice", "over 5", _chain(lambda chain: [*chain, *chain[1:] * 4])),
    _changed(
        "six certificates, of strangers",
        "over 5",
        _chain(lambda chain: [*chain, *(_good().chain[1] for _ in range(4))]),
    ),
    _changed("a hundred certificates", "over 5|TLS: ", _chain(lambda chain: [*chain, *chain[1:] * 20])),
    _row("five issuers", "over 5|TLS: ", sound={"issuers": 4}, issuers=5),
    _changed("one of 16 KiB", "TLS: |bytes", _chain(lambda chain: [*chain, chain[1] * 24])),
]

_shown = partial(changed, "none")

NONE: list[Row] = [
    _shown("no certificate", "TLS: ", _chain(lambda _: []), roles=("client",)),
    _shown("an empty one", "TLS: ", _chain(lambda chain: [b"", *chain[1:]])),
    _shown("an empty issuer", "TLS: ", _chain(lambda chain: [chain[0], b""])),
    _shown("zeros", "TLS: ", _chain(lambda chain: [bytes(500), *chain[1:]])),
    _shown("words", "TLS: ", _chain(lambda chain: [b"let me in", *chain[1:]])),
    _shown("words for an issuer", "TLS: ", _chain(lambda chain: [chain[0], b"trust me"])),
    _shown("a key in its place", "TLS: ", _chain(lambda chain: [_key(), *chain[1:]])),
]


def _key() -> bytes:
    return new_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _signed(one: Example, content: bytes) -> bytes:
    made = one.sign(content)
    assert made is not None
    return made[1]


ECDSA = 0x0403


def proved(name: str, change: Callable[[Example, bytes], tuple[int, bytes] | None], **how: Any) -> Row:
    """What *change* says in the place of a proof, of an example and what its holder should sign."""
    return changed(
        "proof", name, "TLS: ", lambda one: replace(one, sign=lambda content: change(one, content)), **how
    )


def _other_last_byte(signature: bytes) -> bytes:
    return signature[:-1] + bytes((signature[-1] ^ 1,))


def _as_other_side(content: bytes) -> bytes:
    client, server = b", client", b", server"
    return content.replace(client, server, 1) if client in content else content.replace(server, client, 1)


PROOFS: list[Row] = [
    proved("another's key", lambda _, content: signing(new_key())(content)),
    proved("a signature of zeros", lambda *_: (ECDSA, bytes(70))),
    proved("an empty signature", lambda *_: (ECDSA, b"")),
    proved("a signature of 1 and 1", lambda *_: (ECDSA, bytes.fromhex("3006020101020101"))),
    proved("cut", lambda one, content: (ECDSA, _signed(one, content)[:-8])),
    proved("with a byte behind", lambda one, content: (ECDSA, _signed(one, content) + b"\0")),
    proved("one byte is another", lambda one, content: (ECDSA, _other_last_byte(_signed(one, content)))),
    proved("of another conversation", lambda one, content: one.sign(content[:-32] + bytes(32))),
    proved("of the other side", lambda one, content: one.sign(_as_other_side(content))),
    proved("without the 64 spaces", lambda one, content: one.sign(content[64:])),
    proved("of nothing", lambda one, _: one.sign(b"")),
    proved("said to be over SHA-384", lambda one, content: (0x0503, _signed(one, content))),
    proved("said to be RSA", lambda one, content: (0x0804, _signed(one, content))),
    proved("said to be nothing known", lambda one, content: (0xFFFF, _signed(one, content))),
    proved("none at all", lambda *_: None, reason="protocol"),
]
