from benchmarks.programs import free_ports, own_host


def test_ports_that_are_asked_for_together_differ() -> None:
    assert len(set(free_ports(own_host(), 500))) == 500
