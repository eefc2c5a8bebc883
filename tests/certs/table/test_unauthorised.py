"""A certificate that is good in every way, and of somebody else than the one who is meant."""

import pytest

from certs.identity import Identity
from tests.certs.forge import WEB, dns, forge, named, uri
from tests.certs.table.ends import SECRET, show
from tests.certs.table.example import BOTH, Example, Role, shown

OTHERS = {
    "another account": Identity("api", "test", "jackstay", "cluster.local"),
    "another namespace": Identity("web", "prod", "jackstay", "cluster.local"),
    "another control plane": Identity("web", "test", "linkerd", "cluster.local"),
    "another trust domain": Identity("web", "test", "jackstay", "west.example"),
    "a trust domain that begins alike": Identity("web", "test", "jackstay", "cluster.local.example"),
    "a trust domain that ends alike": Identity("web", "test", "jackstay", "x.cluster.local"),
    "a trust domain of another length": Identity("web", "test", "jackstay", "cluster.locale"),
    "an account that begins alike": Identity("web2", "test", "jackstay", "cluster.local"),
    "an account that ends alike": Identity("2web", "test", "jackstay", "cluster.local"),
    "account and namespace exchanged": Identity("test", "web", "jackstay", "cluster.local"),
}


def of(identity: Identity) -> Example:
    """A good certificate of *identity*, shown where WEB is expected."""
    return shown(forge(leaf=named(dns(identity.dns_name), uri(identity.spiffe_uri))))


@pytest.mark.parametrize("role", BOTH)
@pytest.mark.parametrize("identity", OTHERS.values(), ids=OTHERS)
async def test_who_is_somebody_else_gets_nothing(identity: Identity, role: Role) -> None:
    meant = await show(of(WEB), role, allowed=WEB.dns_name)
    assert meant.let_in, meant
    assert meant.reached >= len(SECRET)
    seen = await show(of(identity), role, allowed=WEB.dns_name)
    assert not seen.let_in, seen
    assert seen.reached == 0
    ((reason, said),) = seen.said
    assert reason == ("not_allowed" if role == "client" else "untrusted")
    assert identity.dns_name in said
