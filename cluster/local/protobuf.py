"""
Bodies in protobuf, as far as `kubectl create …` sends them: since 1.32 it asks no other form.

    "k8s" NUL | Unknown {1: {1: apiVersion, 2: kind}, 2: the object's own message}

Read by tables of field numbers (from Kubernetes' generated.proto) into the same objects as JSON gives.
What a table does not name is refused unless it is empty, so that nothing is lost in silence; fields that
the server sets itself are passed over. Answers are never protobuf.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from cluster.local.refusals import BadRequest, UnsupportedMediaType
from cluster.metadata import Raw

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"


class Form(Enum):
    """How a field's value becomes JSON. Go sends empty values too, where absence cannot be told."""

    TEXT = auto()
    NUMBER = auto()
    COUNT = auto()
    """A number of which 0 says something."""

    FLAG = auto()
    CHOICE = auto()
    """A flag of which false says something."""

    TEXTS = auto()
    MAP = auto()
    BYTES_MAP = auto()
    NUMBER_OR_TEXT = auto()
    OURS = auto()
    """What the server sets, whatever is sent."""


Fields = Mapping[int, "tuple[str, Form | Message]"]


@dataclass(frozen=True, slots=True)
class Message:
    fields: Fields
    many: bool = False


def _many(message: Message) -> Message:
    return Message(message.fields, many=True)


_OWNER = Message(
    {
        1: ("kind", Form.TEXT),
        3: ("name", Form.TEXT),
        4: ("uid", Form.TEXT),
        5: ("apiVersion", Form.TEXT),
        6: ("controller", Form.CHOICE),
        7: ("blockOwnerDeletion", Form.CHOICE),
    }
)
_METADATA = Message(
    {
        1: ("name", Form.TEXT),
        2: ("generateName", Form.TEXT),
        3: ("namespace", Form.TEXT),
        4: ("selfLink", Form.OURS),
        5: ("uid", Form.TEXT),
        6: ("resourceVersion", Form.TEXT),
        7: ("generation", Form.OURS),
        8: ("creationTimestamp", Form.OURS),
        9: ("deletionTimestamp", Form.OURS),
        10: ("deletionGracePeriodSeconds", Form.OURS),
        11: ("labels", Form.MAP),
        12: ("annotations", Form.MAP),
        13: ("ownerReferences", _many(_OWNER)),
        14: ("finalizers", Form.TEXTS),
        17: ("managedFields", Form.OURS),
    }
)
_SERVICE_PORT = Message(
    {
        1: ("name", Form.TEXT),
        2: ("protocol", Form.TEXT),
        3: ("port", Form.NUMBER),
        4: ("targetPort", Form.NUMBER_OR_TEXT),
        5: ("nodePort", Form.NUMBER),
        6: ("appProtocol", Form.TEXT),
    }
)
_SERVICE_SPEC = Message(
    {
        1: ("ports", _many(_SERVICE_PORT)),
        2: ("selector", Form.MAP),
        3: ("clusterIP", Form.TEXT),
        4: ("type", Form.TEXT),
        5: ("externalIPs", Form.TEXTS),
        7: ("sessionAffinity", Form.TEXT),
        8: ("loadBalancerIP", Form.TEXT),
        9: ("loadBalancerSourceRanges", Form.TEXTS),
        10: ("externalName", Form.TEXT),
        11: ("externalTrafficPolicy", Form.TEXT),
        12: ("healthCheckNodePort", Form.NUMBER),
        13: ("publishNotReadyAddresses", Form.FLAG),
        17: ("ipFamilyPolicy", Form.TEXT),
        18: ("clusterIPs", Form.TEXTS),
        19: ("ipFamilies", Form.TEXTS),
        20: ("allocateLoadBalancerNodePorts", Form.CHOICE),
        21: ("loadBalancerClass", Form.TEXT),
        22: ("internalTrafficPolicy", Form.TEXT),
        23: ("trafficDistribution", Form.TEXT),
    }
)
_CONTAINER = Message(
    {
        1: ("name", Form.TEXT),
        2: ("image", Form.TEXT),
        3: ("command", Form.TEXTS),
        4: ("args", Form.TEXTS),
        5: ("workingDir", Form.TEXT),
        6: (
            "ports",
            _many(
                Message(
                    {
                        1: ("name", Form.TEXT),
                        2: ("hostPort", Form.NUMBER),
                        3: ("containerPort", Form.NUMBER),
                        4: ("protocol", Form.TEXT),
                        5: ("hostIP", Form.TEXT),
                    }
                )
            ),
        ),
        7: ("env", _many(Message({1: ("name", Form.TEXT), 2: ("value", Form.TEXT)}))),
        13: ("terminationMessagePath", Form.TEXT),
        14: ("imagePullPolicy", Form.TEXT),
        16: ("stdin", Form.FLAG),
        17: ("stdinOnce", Form.FLAG),
        18: ("tty", Form.FLAG),
        20: ("terminationMessagePolicy", Form.TEXT),
    }
)
_POD_SPEC = Message(
    {
        2: ("containers", _many(_CONTAINER)),
        3: ("restartPolicy", Form.TEXT),
        4: ("terminationGracePeriodSeconds", Form.COUNT),
        6: ("dnsPolicy", Form.TEXT),
        7: ("nodeSelector", Form.MAP),
        8: ("serviceAccountName", Form.TEXT),
        9: ("serviceAccount", Form.TEXT),
        10: ("nodeName", Form.TEXT),
        11: ("hostNetwork", Form.FLAG),
        12: ("hostPID", Form.FLAG),
        13: ("hostIPC", Form.FLAG),
        16: ("hostname", Form.TEXT),
        17: ("subdomain", Form.TEXT),
        19: ("schedulerName", Form.TEXT),
        20: ("initContainers", _many(_CONTAINER)),
        21: ("automountServiceAccountToken", Form.CHOICE),
    }
)
_DEPLOYMENT_SPEC = Message(
    {
        1: ("replicas", Form.COUNT),
        2: ("selector", Message({1: ("matchLabels", Form.MAP)})),
        3: ("template", Message({1: ("metadata", _METADATA), 2: ("spec", _POD_SPEC)})),
        4: ("strategy", Message({1: ("type", Form.TEXT)})),
        5: ("minReadySeconds", Form.NUMBER),
        6: ("revisionHistoryLimit", Form.COUNT),
        7: ("paused", Form.FLAG),
        9: ("progressDeadlineSeconds", Form.COUNT),
    }
)


def _object(rest: Fields) -> Message:
    return Message({1: ("metadata", _METADATA), **rest})


_OBJECTS: Mapping[str, Message] = {
    "Namespace": _object({2: ("spec", Message({1: ("finalizers", Form.TEXTS)})), 3: ("status", Form.OURS)}),
    "Service": _object({2: ("spec", _SERVICE_SPEC), 3: ("status", Form.OURS)}),
    "ServiceAccount": _object(
        {
            3: ("imagePullSecrets", _many(Message({1: ("name", Form.TEXT)}))),
            4: ("automountServiceAccountToken", Form.CHOICE),
        }
    ),
    "ConfigMap": _object(
        {2: ("data", Form.MAP), 3: ("binaryData", Form.BYTES_MAP), 4: ("immutable", Form.CHOICE)}
    ),
    "Secret": _object(
        {
            2: ("data", Form.BYTES_MAP),
            3: ("type", Form.TEXT),
            4: ("stringData", Form.MAP),
            5: ("immutable", Form.CHOICE),
        }
    ),
    "Deployment": _object({2: ("spec", _DEPLOYMENT_SPEC), 3: ("status", Form.OURS)}),
    "TokenRequest": _object(
        {
            2: (
                "spec",
                Message(
                    {
                        1: ("audiences", Form.TEXTS),
                        3: ("boundObjectRef", Message({1: ("kind", Form.TEXT), 3: ("name", Form.TEXT)})),
                        4: ("expirationSeconds", Form.COUNT),
                    }
                ),
            ),
            3: ("status", Form.OURS),
        }
    ),
}


def read(data: bytes) -> Raw:
    """The object in *data*. Raises BadRequest, or UnsupportedMediaType for what is not read here."""
    if not data.startswith(_MAGIC):
        raise BadRequest("the body is not Kubernetes' protobuf")
    envelope = dict(_fields(data[len(_MAGIC) :]))
    about = {number: _text(value) for number, value in _fields(_bytes(envelope.get(1, b"")))}
    kind = about.get(2, "")
    message = _OBJECTS.get(kind)
    if message is None:
        raise UnsupportedMediaType(f"a {kind} in protobuf is not read here: send application/json")
    item = _message(_bytes(envelope.get(2, b"")), message, kind)
    return {"apiVersion": about.get(1, ""), "kind": kind, **item}


def _message(data: bytes, message: Message, where: str) -> Raw:
    item: Raw = {}
    for number, value in _fields(data):
        name, form = message.fields.get(number, ("", None))
        if form is None:
            if value not in (0, b""):
                raise UnsupportedMediaType(
                    f"field {number} of {where} in protobuf is not read here: send application/json"
                )
        elif isinstance(form, Message):
            below = _message(_bytes(value), form, f"{where}.{name}")
            if form.many:
                item.setdefault(name, []).append(below)
            elif below:
                item[name] = below
        else:
            _take(item, name, form, value)
    return item


def _take(item: Raw, name: str, form: Form, value: int | bytes) -> None:
    """Put *value* into *item*, unless it is empty in a form where that says nothing."""
    match form:
        case Form.TEXT if text := _text(value):
            item[name] = text
        case Form.NUMBER if value:
            item[name] = _number(value)
        case Form.COUNT:
            item[name] = _number(value)
        case Form.FLAG if value:
            item[name] = True
        case Form.CHOICE:
            item[name] = bool(value)
        case Form.TEXTS:
            item.setdefault(name, []).append(_text(value))
        case Form.MAP | Form.BYTES_MAP:
            entry = dict(_fields(_bytes(value)))
            found = _bytes(entry.get(2, b""))
            shown = base64.b64encode(found).decode() if form is Form.BYTES_MAP else _text(found)
            item.setdefault(name, {})[_text(entry.get(1, b""))] = shown
        case Form.NUMBER_OR_TEXT:
            either = dict(_fields(_bytes(value)))
            is_text = either.get(1, 0) == 1
            item[name] = _text(either.get(3, b"")) if is_text else _number(either.get(2, 0))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message, in order. Raises BadRequest."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        match tag & 7:
            case 0:
                yield tag >> 3, value
            case 2:
                if at + value > len(data):
                    raise BadRequest("the body is cut short")
                yield tag >> 3, data[at : at + value]
                at += value
            case _:
                raise BadRequest("the body is not Kubernetes' protobuf")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise BadRequest("the body is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadRequest("a number in the body is too long")


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise BadRequest("the body has bytes where a number should be")
    return value - 2**64 if value >= 2**63 else value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise BadRequest("the body has a number where bytes should be")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError as error:
        raise BadRequest("a text in the body is not UTF-8") from error
