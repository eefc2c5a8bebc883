import asyncio

import pytest
from prometheus_client import CollectorRegistry

from certs.review_queue import Account, Busy, ReviewFailed, ReviewQueue, TokenRefused


class Slow:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = 0
        self.now = 0
        self.go = asyncio.Event()

    async def review(self, token: str, audience: str) -> Account:
        self.asked.append(token)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
        finally:
            self.now -= 1
        if token == "bad":
            raise TokenRefused("no")
        if token == "away":
            raise ReviewFailed("no answer")
        return Account("test", token)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_so_many_are_asked_at_once_the_next_wait_and_the_rest_come_again() -> None:
    slow, registry = Slow(), CollectorRegistry()
    queue = ReviewQueue(slow, registry, at_once=2, waiting=3)
    asking = [asyncio.create_task(queue.review(f"{number}", "x")) for number in range(5)]
    await settled()
    assert slow.asked == ["0", "1"]
    assert registry.get_sample_value("jackstay_identity_token_reviews_waiting") == 3
    with pytest.raises(Busy):
        await queue.review("5", "x")
    slow.go.set()
    assert [account.name for account in await asyncio.gather(*asking)] == ["0", "1", "2", "3", "4"]
    assert slow.most == 2
    assert registry.get_sample_value("jackstay_identity_token_review_seconds_count") == 5
    assert _failures(registry, "busy") == 1


async def test_who_waits_too_long_is_told_to_come_again_and_takes_no_turn() -> None:
    slow, registry = Slow(), CollectorRegistry()
    queue = ReviewQueue(slow, registry, at_once=1, longest_wait=0.01)
    first = asyncio.create_task(queue.review("first", "x"))
    await settled()
    with pytest.raises(Busy, match="did not come"):
        await queue.review("second", "x")
    slow.go.set()
    await first
    assert (await queue.review("third", "x")).name == "third"
    assert slow.asked == ["first", "third"]


@pytest.mark.parametrize(("token", "kind"), [("bad", TokenRefused), ("away", ReviewFailed)])
async def test_a_turn_is_given_back_however_it_ends(token: str, kind: type[Exception]) -> None:
    slow, registry = Slow(), CollectorRegistry()
    slow.go.set()
    queue = ReviewQueue(slow, registry, at_once=1)
    for _ in range(3):
        with pytest.raises(kind):
            await queue.review(token, "x")
    assert (await queue.review("web", "x")).name == "web"
    assert (_failures(registry, "failed") or 0) == (3 if token == "away" else 0)


async def test_a_turn_is_given_back_by_one_who_leaves() -> None:
    slow = Slow()
    queue = ReviewQueue(slow, CollectorRegistry(), at_once=1)
    asking, waiting = (asyncio.create_task(queue.review(name, "x")) for name in ("asks", "waits"))
    await settled()
    for task in (waiting, asking):
        task.cancel()
    await asyncio.wait([asking, waiting])
    slow.go.set()
    assert (await queue.review("web", "x")).name == "web"


def _failures(registry: CollectorRegistry, reason: str) -> float | None:
    return registry.get_sample_value("jackstay_identity_token_review_failures_total", {"reason": reason})
