"""
Bodies in protobuf, as far as `kubectl create …` sends them: since 1.32 it asks no other form.

    "k8s" NUL | Unknown {1: {1: apiVersion, 2: kind}, 2: the object's own message}

Read by the tables of `protobuf_fields` into the same objects as JSON gives.
What a table does not name is refused unless it is empty, so that nothing is lost in silence; fields that
the server sets itself are passed over. Answers are never protobuf.
"""

import base64
from collections.abc import Iterator

from cluster.local.protobuf_fields import OBJECTS, Form, Message
from cluster.local.refusals import BadRequest, UnsupportedMediaType
from cluster.metadata import Raw

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"


def read(data: bytes) -> Raw:
    """The object in *data*. Raises BadRequest, or UnsupportedMediaType for what is not read here."""
    if not data.startswith(_MAGIC):
        raise BadRequest("the body is not Kubernetes' protobuf")
    envelope = dict(_fields(data[len(_MAGIC) :]))
    about = {number: _text(value) for number, value in _fields(_bytes(envelope.get(1, b"")))}
    kind = about.get(2, "")
    message = OBJECTS.get(kind)
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
