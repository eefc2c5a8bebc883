"""Where a gateway is."""

import pytest

from mirror.gateway_addresses import Resolved, Unresolved, admitted, resolve, system_resolver


async def resolver(host: str) -> tuple[str, ...]:
    found = {
        "two.example.com": ("203.0.113.20", "203.0.113.3"),
        "bad.example.com": ("127.0.0.1", "203.0.113.4"),
    }
    if host not in found:
        raise Unresolved(f"{host} does not resolve")
    return found[host]


async def looked_up(*hosts: str, before: Resolved | None = None) -> Resolved:
    return await resolve(hosts, before or Resolved(), resolver, allow_loopback=False)


async def test_addresses_are_sorted_as_numbers_and_each_there_once() -> None:
    found = await looked_up("203.0.113.20", "two.example.com", "2001:db8::1")
    assert found.addresses == ("203.0.113.3", "203.0.113.20", "2001:db8::1")
    assert found.mistakes == ()


async def test_a_name_that_does_not_resolve_takes_nothing_from_the_others() -> None:
    found = await looked_up("gone.example.com", "two.example.com")
    assert found.addresses == ("203.0.113.3", "203.0.113.20")
    assert found.mistakes == ("gone.example.com does not resolve",)


async def test_what_a_name_last_led_to_stays_while_it_does_not_resolve() -> None:
    before = Resolved({"gone.example.com": ("203.0.113.9",), "dropped.example.com": ("203.0.113.8",)})
    assert (await looked_up("gone.example.com", before=before)).addresses == ("203.0.113.9",)


async def test_a_name_that_leads_to_this_machine_is_not_followed_there() -> None:
    found = await looked_up("bad.example.com")
    assert found.addresses == ("203.0.113.4",)
    assert found.mistakes == ("bad.example.com leads to 127.0.0.1, a loopback address",)


@pytest.mark.parametrize(
    "ip", ["169.254.169.254", "0.0.0.0", "::", "fe80::1", "224.0.0.1", "::ffff:127.0.0.1"]
)
def test_addresses_at_which_no_gateway_can_be(ip: str) -> None:
    assert admitted([ip], allow_loopback=False)[0] == ()


async def test_the_system_says_when_a_name_does_not_resolve() -> None:
    with pytest.raises(Unresolved):
        await system_resolver("no-such-host.invalid")
    assert await system_resolver("127.0.0.1") == ("127.0.0.1",)
