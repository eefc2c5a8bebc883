"""Networks of this machine's own."""

import random
import socket

from cli.demo.loopback import Network


def test_the_same_chance_gives_two_demos_different_networks() -> None:
    with Network.claimed(random.Random(7)) as first, Network.claimed(random.Random(7)) as second:
        assert first.prefix != second.prefix
        assert first.range == f"{first.prefix}.0/24"


def test_a_network_is_free_again_after_its_claim() -> None:
    with Network.claimed(random.Random(8)) as first:
        pass
    with Network.claimed(random.Random(8)) as second:
        assert first.prefix == second.prefix


def test_a_port_that_somebody_has_gives_way_to_another() -> None:
    with Network.claimed(random.SystemRandom()) as network, socket.socket() as taken:
        wanted = network.address(1, 6443)
        taken.bind((wanted.host, wanted.port))
        other = network.address(1, 6443)
        assert (wanted.host, wanted.port) == (f"{network.prefix}.1", 6443)
        assert (other.host, other.port != 6443) == (wanted.host, True)
