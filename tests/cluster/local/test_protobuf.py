"""Bodies as `kubectl` sends them are in test_kubectl; here is what no kubectl sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.local import protobuf
from cluster.local.refusals import Refused, UnsupportedMediaType


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def body(kind: str, *fields: bytes, version: str = "v1") -> bytes:
    about = field(1, version.encode()) + field(2, kind.encode())
    return b"k8s\x00" + field(1, about) + field(2, b"".join(fields))


def test_an_object_is_read() -> None:
    labels = field(11, field(1, b"a") + field(2, b"b")) + field(11, field(1, b"c"))
    metadata = field(1, field(1, b"web") + field(3, b"test") + field(8, b"") + labels)
    port = field(1, b"http") + field(3, 80) + field(4, field(1, 1) + field(3, b"name")) + field(5, 0)
    spec = field(2, field(1, port) + field(13, 0) + field(3, b""))
    assert protobuf.read(body("Service", metadata, spec, field(3, field(1, b"ignored")))) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "test", "labels": {"a": "b", "c": ""}},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": "name"}]},
    }


def test_bytes_become_base64() -> None:
    data = field(2, field(1, b"key") + field(2, b"\x00\xff"))
    assert protobuf.read(body("Secret", data))["data"] == {"key": "AP8="}


def test_what_would_be_lost_is_refused() -> None:
    affinity = field(2, field(3, field(2, field(14, b"x"))))
    with pytest.raises(UnsupportedMediaType, match=r"field 14 of Deployment\.spec\.template\.spec"):
        protobuf.read(body("Deployment", affinity))


def test_a_kind_that_is_not_read() -> None:
    with pytest.raises(UnsupportedMediaType, match="a Lease in protobuf"):
        protobuf.read(body("Lease"))


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    for prefix in (b"", b"k8s\x00", body("Service")):
        try:
            protobuf.read(prefix + data)
        except Refused:
            continue
