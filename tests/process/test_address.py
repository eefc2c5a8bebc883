"""Addresses as people write them, and those that nobody may be sent to."""

import pytest

from process.address import Address, refused_range


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:4143", Address("127.0.0.1", 4143)),
        ("[::1]:4143", Address("::1", 4143)),
        (":9990", Address("", 9990)),
        ("gateway.example:443", Address("gateway.example", 443)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", "host:x", "host:-1", "host:65536", "::1:80", "[::1:80", "[host]:80", "h:\uff180"],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|IPv6"):
        Address.parse(text)


@pytest.mark.parametrize(
    "ip",
    [
        *("0.0.0.0", "0.1.2.3", "::"),
        *("169.254.169.254", "fe80::1"),
        *("224.0.0.1", "ff02::1", "255.255.255.255"),
        *("::ffff:169.254.169.254", "2002:a9fe:a9fe::1"),
    ],
)
def test_some_addresses_are_nobodys_backend(ip: str) -> None:
    assert refused_range(ip, allow_loopback=False)
    assert refused_range(ip, allow_loopback=True)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.200.1.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_refused_unless_allowed(ip: str) -> None:
    assert refused_range(ip, allow_loopback=False) == "a loopback address"
    assert refused_range(ip, allow_loopback=True) is None


@pytest.mark.parametrize("ip", ["10.0.0.1", "203.0.113.9", "192.168.1.1", "2001:db8::1", "fd00::1"])
def test_all_others_are_taken(ip: str) -> None:
    assert refused_range(ip, allow_loopback=False) is None
