"""Addresses as people write them, and those that nobody may be sent to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process.address import Address, is_ip, plain, refused_range

NAME = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){0,4}", fullmatch=True
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:4143", Address("127.0.0.1", 4143)),
        ("[::1]:4143", Address("::1", 4143)),
        ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
        ("[::ffff:10.0.0.1]:80", Address("::ffff:10.0.0.1", 80)),
        (":9990", Address("", 9990)),
        ("gateway.example:443", Address("gateway.example", 443)),
        ("gateway.example.:443", Address("gateway.example.", 443)),
        ("GATEWAY:443", Address("GATEWAY", 443)),
        ("my_db-0.internal:5432", Address("my_db-0.internal", 5432)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("h:65535", Address("h", 65535)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert Address.parse(f"  {text}\n") == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", ":", "host", "host:", "host:x", "host:-1", "host:+1", "host:65536", "::1:80", "[::1:80", "::1]:80",
     "[::1]", "[::1]80", "[host]:80", "[127.0.0.1]:80", "[]:80", "h:\uff180", "h:1_0", "h:0x50", "h: 80",
     "h:" + "1" * 5000, "http://h:80"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a port from|has no port|IPv6 address|is neither"):
        Address.parse(text)


@pytest.mark.parametrize(
    "host",
    [
        "a..b",
        ".",
        ".a",
        "a b",
        "a\0b",
        "a\nb",
        "x" * 64,
        "x." * 127 + "x",
        "a/b",
        "user@host",
        "caf\u00e9",
        "*.a",
        "a%b",
    ],
)
def test_a_host_that_nobody_can_look_up_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="neither a host name nor an IP address"):
        Address.parse(f"{host}:80")


@given(NAME | st.ip_addresses().map(str), st.integers(0, 65535))
def test_whatever_is_written_is_read_again(host: str, port: int) -> None:
    assert Address.parse(str(Address(host, port))) == Address(host, port)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert 0 <= address.port <= 65535


@pytest.mark.parametrize(
    ("host", "ip"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:1.2.3.4", True), ("", False), ("localhost", False),
     ("127.1", False), ("0x7f000001", False), ("2130706433", False), ("127.0.0.01", False), ("[::1]", False)],
)  # fmt: skip
def test_an_ip_address_is_one_in_its_usual_form(host: str, ip: bool) -> None:
    assert is_ip(host) is ip


REFUSED = {
    "the unspecified address": ["0.0.0.0", "0.1.2.3", "0.255.255.255", "::", "::ffff:0.0.0.0"],
    "a link-local address": [
        *("169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1"),
        *("::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "2002:a9fe:a9fe::1", "64:ff9b::169.254.169.254"),
        "::169.254.169.254",
    ],
    "a multicast address": [
        "224.0.0.1",
        "239.255.255.255",
        "ff02::1",
        "ff0e::1",
        "::ffff:224.0.0.1",
        "2002:e000:1::",
    ],
    "the broadcast address": ["255.255.255.255", "::ffff:255.255.255.255", "64:ff9b::ffff:ffff"],
}


@pytest.mark.parametrize(("name", "ip"), [(name, ip) for name, ips in REFUSED.items() for ip in ips])
def test_some_addresses_are_nobodys_backend(name: str, ip: str) -> None:
    assert refused_range(ip, allow_loopback=False) == name
    assert refused_range(ip, allow_loopback=True) == name


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "127.200.1.1", "127.255.255.255", "::1", "::1%lo"),
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "2002:7f00:1::", "64:ff9b::127.0.0.1", "::127.0.0.1"),
    ],
)
def test_loopback_is_refused_unless_allowed(ip: str) -> None:
    assert refused_range(ip, allow_loopback=False) == "a loopback address"
    assert refused_range(ip, allow_loopback=True) is None


@pytest.mark.parametrize(
    "ip",
    [
        *("10.0.0.1", "203.0.113.9", "192.168.1.1", "100.64.0.1", "1.0.0.0", "126.255.255.255", "128.0.0.1"),
        *("169.253.255.255", "169.255.0.0", "223.255.255.255", "255.255.255.254"),
        *("2001:db8::1", "fd00::1", "::ffff:10.0.0.1", "2002:a00:1::1", "64:ff9b::10.0.0.1", "::2"),
    ],
)
def test_all_others_are_taken(ip: str) -> None:
    assert refused_range(ip, allow_loopback=False) is None


@given(st.ip_addresses(v=4))
def test_an_ipv6_form_of_an_ipv4_address_is_judged_like_it(ip: ipaddress.IPv4Address) -> None:
    packed = ip.packed.hex()
    for text in (f"::ffff:{ip}", f"2002:{packed[:4]}:{packed[4:]}::1", f"64:ff9b::{ip}"):
        for allowed in (True, False):
            assert refused_range(text, allow_loopback=allowed) == refused_range(
                str(ip), allow_loopback=allowed
            )


@pytest.mark.parametrize(
    ("ip", "form"),
    [
        *((text, "10.0.0.1") for text in ("10.0.0.1", "::ffff:10.0.0.1", "::FFFF:a00:1", "::10.0.0.1")),
        *((text, "10.0.0.1") for text in ("64:ff9b::10.0.0.1", "2002:a00:1::9")),
        *((text, "2001:db8::1") for text in ("2001:db8::1", "2001:DB8:0:0::0001", "2001:db8::1%eth0")),
        ("::1", "::1"),
    ],
)
def test_addresses_are_compared_in_one_form(ip: str, form: str) -> None:
    assert plain(ip) == form


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "1.2.3.4/32"])
def test_a_name_has_no_form(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        plain(text)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "1.2.3.4/32"])
def test_a_name_has_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        refused_range(text, allow_loopback=True)
