"""The peers do what they are measured for: each verifies its client, and the gateway's name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.__main__ import main
from benchmarks.ours import OURS
from benchmarks.peers import PEERS
from benchmarks.programs import located
from benchmarks.site import Contender, Site, site
from benchmarks.through_door import client_context, handshake

EVERYBODY = (OURS, *PEERS)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site"), newcomers=1) as made:
        yield made


@pytest.fixture(params=EVERYBODY, ids=lambda one: one.name)
def contender(request: pytest.FixtureRequest) -> Contender:
    one: Contender = request.param
    if not (located(one.program) and one.whole()):
        pytest.skip(f"{one.name} is not here")
    return one


def test_who_shows_no_certificate_or_a_strangers_gets_no_answer(
    contender: Contender, here: Site, tmp_path: Path
) -> None:
    with contender.start(here) as way, site(tmp_path) as elsewhere:
        assert way.door is not None
        known = client_context(way.door, here.client, here.anchors)
        assert handshake(way.door, known, here.gateway.identity, 0)
        stranger = client_context(way.door, elsewhere.client, here.anchors)
        assert not handshake(way.door, stranger, here.gateway.identity, 0)


def test_a_gateway_of_another_name_gets_nothing(contender: Contender, here: Site) -> None:
    [other] = here.newcomers
    misnamed = replace(here, gateway=replace(other, identity=here.gateway.identity))
    with contender.start(misnamed) as way:
        outcome = load.new_connections(way.entrance, 2, at_once=1)
        assert (outcome.right, outcome.wrong) == (0, 2)


def test_a_peer_that_no_package_brings_is_offered_and_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.__main__.at_hand", lambda: ([], list(PEERS)))
    assert main(["quick", "--only", "no such scenario", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "envoy may be added: it takes part where it is on the PATH" in said
    assert "haproxy is not here and takes no part; to have it: apt-get install haproxy" in said
