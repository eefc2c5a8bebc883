"""A Link's kubeconfig is read once for as long as it is the same."""

import pytest

from cluster import kubeconfig
from cluster.access import Access
from cluster.kubeconfig import RefusedKubeconfig, render
from cluster.objects import Key, Metadata, Secret
from mirror import credentials
from mirror.credentials import KUBECONFIG, Reader, access
from mirror.status import Finding
from tests.mirror.make import LINK
from tests.support.pki import Pki


def secret(content: bytes) -> dict[Key, Secret]:
    key = Key(LINK.namespace, LINK.credentials)
    return {key: Secret(Metadata(key.name, key.namespace), data={KUBECONFIG: content})}


def rendered(token: str) -> bytes:
    ca = Pki.make().leaf("api.test").anchors_pem
    return render("https://192.0.2.9:6443", ca, token, user="remote", cluster="east")


def test_what_is_the_same_is_read_once_be_it_taken_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    strict = kubeconfig.strict

    def counted(content: bytes, *, allow_loopback: bool) -> Access:
        read.append(content)
        return strict(content, allow_loopback=allow_loopback)

    monkeypatch.setattr(credentials, "strict", counted)
    reader = Reader(allow_loopback=False)
    good, other, bad = rendered("one"), rendered("two"), b"no: kubeconfig"
    for content in (good, good, bad, bad, other):
        found = access(LINK, secret(content), reader)
        assert isinstance(found, Finding) is (content == bad)
    assert read == [good, bad, other]
    assert isinstance(reader.read(bad), RefusedKubeconfig)
