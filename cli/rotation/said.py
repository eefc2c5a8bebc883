"""What a process tells in its metrics of the certificate and the anchors that it uses. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from certs import trust_metrics as names
from cli.rotation.seen import Anchor, Held

Labels = Mapping[str, str]


class Unreadable(ValueError):
    """The answer is none of ours; one sentence says why."""


def held(text: str) -> Held:
    """What the metrics in *text* say. Raises Unreadable, also if they say nothing of it."""
    series: dict[str, list[tuple[Labels, float]]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                series.setdefault(sample.name, []).append((sample.labels, sample.value))
        return _held(series)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("its /metrics cannot be read: is this the admin port of jackstay?") from error


def _held(series: Mapping[str, list[tuple[Labels, float]]]) -> Held:
    def values(name: str, label: str) -> frozenset[str]:
        return frozenset(labels[label] for labels, value in series.get(name, ()) if value)

    def times(name: str) -> dict[str, datetime]:
        return {labels["sha256"]: _time(value) for labels, value in series.get(name, ())}

    begins, ends = times(names.ANCHOR_BEGINS), times(names.ANCHOR_ENDS)
    leaf_ends = [value for _, value in series.get(names.CERTIFICATE_ENDS, ()) if value]
    found = Held(
        bundles=values(names.BUNDLE, "sha256"),
        anchors=frozenset(Anchor(one, begins[one], ends[one]) for one in values(names.ANCHOR, "sha256")),
        identities=values(names.CERTIFICATE, "identity"),
        leaf_anchors=values(names.CERTIFICATE, "anchor"),
        leaf_ends=_time(min(leaf_ends)) if leaf_ends else None,
        issuer_anchors=values(names.ISSUER, "anchor"),
    )
    if not (found.bundles and found.anchors and found.leaf_anchors):
        raise Unreadable(
            "it does not say which certificate and anchors it uses: it has none yet, or is an older jackstay"
        )
    return found


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
