"""What is known of a Link, from listings, watches and our own writes."""

from dataclasses import replace

from cluster.client import Cluster
from cluster.kinds import LINK, NAMESPACE
from cluster.objects import Link
from mirror.link_object import LinkObject
from tests.mirror.make import link


def at_version(version: str) -> Link:
    made = link()
    return replace(made, metadata=replace(made.metadata, resource_version=version))


async def test_what_a_watch_shows_may_lack_what_we_wrote_but_a_later_listing_does_not(
    client: Cluster,
) -> None:
    await client.create(
        NAMESPACE, {"metadata": {"name": "jackstay"}, "apiVersion": "v1", "kind": "Namespace"}
    )
    body = {"apiVersion": LINK.api_version, "kind": LINK.kind, "spec": link().spec}
    made = Link.from_dict(
        await client.create(LINK, {**body, "metadata": {"name": "east", "namespace": "jackstay"}})
    )
    now = 10.0
    known = LinkObject(made, client, clock=lambda: now)
    await known.claim("uid-1")
    written = known.now
    known.update(made, listed_at=9.0)
    assert known.now == written
    newer = at_version(str(int(written.metadata.resource_version) + 1))
    known.update(newer, listed_at=9.0)
    assert known.now == newer
    restored = at_version("1")
    known.update(restored, listed_at=11.0)
    assert known.now == restored
