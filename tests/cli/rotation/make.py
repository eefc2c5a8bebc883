"""Values that a rotation is judged by, in few words."""

from datetime import UTC, datetime, timedelta

from certs import anchors
from certs.authority import make_root
from certs.trust_bundle import TrustBundle
from cli.rotation.seen import Anchor, Held, Issuer, Place, Process, Seen

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OLD = make_root("old", now=NOW - timedelta(days=300)).certificate
NEW = make_root("new", now=NOW).certificate
THIRD = make_root("third", now=NOW - timedelta(days=100)).certificate
OLD_FP, NEW_FP, THIRD_FP = map(anchors.fingerprint, (OLD, NEW, THIRD))
JUST_OLD, JUST_NEW, BOTH = anchors.of((OLD,)), anchors.of((NEW,)), anchors.of((OLD, NEW))


def held(bundle: TrustBundle, leaf: str, *, issuer: str | None = None) -> Held:
    return Held(
        bundles=frozenset({bundle.digest}),
        anchors=frozenset(map(Anchor.of, bundle.anchors)),
        identities=frozenset({"web.test.serviceaccount.identity.jackstay.cluster.local"}),
        leaf_anchors=frozenset({leaf}),
        leaf_ends=NOW,
        issuer_anchors=frozenset() if issuer is None else frozenset({issuer}),
    )


def process(
    bundle: TrustBundle,
    leaf: str,
    *,
    name: str = "gateway-0",
    context: str = "east",
    issuer: str | None = None,
) -> Process:
    return Process(context, "jackstay", name, held(bundle, leaf, issuer=issuer))


def silent(why: str = "no answer within 5 s", *, name: str = "gateway-1", context: str = "east") -> Process:
    return Process(context, "jackstay", name, None, why)


def place(bundle: TrustBundle | None, *, context: str = "east", namespace: str = "jackstay") -> Place:
    return Place(context, namespace, bundle, "" if bundle else "it is empty")


def secret(anchor: str, *, context: str = "east", wrong: str = "") -> Issuer:
    return Issuer(context, "jackstay", anchor, wrong)


def seen(*parts: Process | Place | Issuer) -> Seen:
    return Seen(
        tuple(one for one in parts if isinstance(one, Process)),
        tuple(one for one in parts if isinstance(one, Place)),
        tuple(one for one in parts if isinstance(one, Issuer)),
        contexts=tuple(dict.fromkeys(one.context for one in parts if one.context)),
    )
