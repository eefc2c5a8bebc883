import json
import stat
from pathlib import Path

import pytest

from cluster.kinds import CONFIG_MAP
from cluster.local import journal as journals
from cluster.local.journal import Journal, Unusable
from cluster.local.store import Store
from cluster.metadata import Key


def put(store: Store, name: str) -> None:
    store.put(CONFIG_MAP, Key("test", name), {"metadata": {"name": name, "namespace": "test"}})


def names(journal: Journal) -> list[str]:
    return [key.name for key in journal.state.objects.get(CONFIG_MAP, {})]


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    """A file with an identity, two objects, of three that there were."""
    path = tmp_path / "data"
    journal = Journal.open(path)
    journal.state.identity["ca"] = "x"
    journal.compact()
    store = Store(journal.record)
    for name in "abc":
        put(store, name)
    store.remove(CONFIG_MAP, Key("test", "b"))
    journal.close()
    return path


def test_what_was_recorded_is_read_again(path: Path) -> None:
    journal = Journal.open(path)
    assert (names(journal), journal.state.version) == (["a", "c"], 5)
    assert journal.state.identity == {"ca": "x"}
    journal.close()


def test_a_line_that_was_cut_off_is_dropped(path: Path) -> None:
    whole = path.read_bytes()
    for cut in range(1, 40):
        path.write_bytes(whole[:-cut])
        journal = Journal.open(path)
        assert (names(journal), journal.state.version) == (["a", "b", "c"], 4)
        journal.close()


def test_compaction_keeps_the_state_and_drops_the_past(path: Path) -> None:
    journal = Journal.open(path)
    journal.compact()
    put(store := Store(journal.record), "d")
    journal.close()
    assert len(path.read_text().splitlines()) == 4
    journal = Journal.open(path)
    assert names(journal) == ["a", "c", "d"]
    assert journal.state.version == store.version
    journal.close()


def test_a_file_that_has_grown_is_compacted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SPARE", 10)
    journal = Journal.open(path)
    store = Store(journal.record)
    for _ in range(100):
        put(store, "a")
    journal.close()
    assert len(path.read_text().splitlines()) < 20
    journal = Journal.open(path)
    assert journal.state.version == store.version
    journal.close()


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_cannot_have_it_at_once(path: Path) -> None:
    first = Journal.open(path)
    with pytest.raises(Unusable, match="in use"):
        Journal.open(path)
    first.compact()
    with pytest.raises(Unusable, match="in use"):
        Journal.open(path)
    first.close()
    Journal.open(path).close()


@pytest.mark.parametrize(
    "content", ["hello\n", "[]\n", json.dumps({"kind": "x", "group": "", "put": {}}) + "\n"]
)
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data"
    path.write_text(content)
    with pytest.raises(Unusable, match="not the data of a local cluster"):
        Journal.open(path)
    assert path.read_text() == content
