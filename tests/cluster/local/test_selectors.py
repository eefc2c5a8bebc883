from typing import Any

import pytest

from cluster.local import selectors
from cluster.local.refusals import BadRequest

LABELS = {"app": "web", "mirror.linkerd.io/exported": "true", "empty": ""}


def thing(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "test", "labels": LABELS},
        "spec": spec,
        "type": "Opaque",
    }


@pytest.mark.parametrize(
    ("selector", "accepted"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("app!=web", False),
        ("other!=x", True),
        ("app", True),
        ("other", False),
        ("!other", True),
        ("!app", False),
        ("app in (web, db)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("other notin (db)", True),
        ("app notin (web,db)", False),
        ("empty=", True),
        ("mirror.linkerd.io/exported=true,app in (web,db),!other", True),
        ("mirror.linkerd.io/exported=true,app=db", False),
    ],
)
def test_a_label_selector(selector: str, *, accepted: bool) -> None:
    assert selectors.parse(selector, "", ()).accepts(thing()) is accepted


@pytest.mark.parametrize("selector", ["app in web", "=x", "app=a b", "-x=1", "app=" + "x" * 64, "a//b=c"])
def test_an_unreadable_label_selector_is_refused(selector: str) -> None:
    with pytest.raises(BadRequest):
        selectors.parse(selector, "", ())


@pytest.mark.parametrize(
    ("selector", "accepted"),
    [
        ("metadata.name=web", True),
        ("metadata.name=web,metadata.namespace=test", True),
        ("metadata.name!=web", False),
        ("spec.type=ClusterIP", True),
        ("spec.type!=ExternalName", True),
        ("type=Opaque", True),
        ("spec.absent=", True),
        ("spec.absent=x", False),
    ],
)
def test_a_field_selector(selector: str, *, accepted: bool) -> None:
    parsed = selectors.parse("", selector, ("spec.type", "spec.absent", "type"))
    assert parsed.accepts(thing(type="ClusterIP")) is accepted


@pytest.mark.parametrize("selector", ["spec.nodeName=x", "metadata.name", "metadata.name in (a)"])
def test_a_field_that_is_not_selectable_is_refused(selector: str) -> None:
    with pytest.raises(BadRequest):
        selectors.parse("", selector, ("spec.type",))
