"""A very short run: real processes, every answer a certificate, the last of each run verified."""

from benchmarks.identity import rows, to_markdown


def test_every_way_of_asking_issues_certificates() -> None:
    found = rows(0.3)
    assert [(row.what, row.connections) for row in found] == [
        ("without the review", "kept open"),
        ("without the review", "a new one each"),
        ("with the review", "kept open"),
        ("with the review", "a new one each"),
    ]
    assert not [row for row in found if row.wrong or row.per_second <= 0 or row.cpu_ms <= 0]
    table = to_markdown(found, "a machine", "the command")
    assert len(table.splitlines()) == 4 + 4
