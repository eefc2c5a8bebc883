"""How `jackstay certs inspect` shows its reports."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.text import Text

from certs.inspection import Report


def as_json(reports: Iterable[Report]) -> dict[str, Any]:
    """The reports for a program; times as RFC 3339."""
    files = [asdict(report) for report in reports]
    for file in files:
        for shown in file["certificates"]:
            for when in ("not_before", "not_after"):
                shown[when] = shown[when].strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"ok": not any(file["wrong"] for file in files), "files": files}


def as_lines(reports: Iterable[Report], *, verified: bool) -> Iterable[Text]:
    """The reports for people, line by line."""
    for report in reports:
        yield Text(report.file, "bold")
        for number, shown in enumerate(report.certificates, 1):
            yield Text(f"  {number}. {shown.kind}", "cyan")
            rows = (
                ("identity", shown.identity),
                ("", shown.spiffe),
                ("subject", shown.subject),
                ("signed by", shown.issuer),
                ("valid", f"{shown.not_before:%Y-%m-%d %H:%M} to {shown.not_after:%Y-%m-%d %H:%M} UTC"),
                ("left", shown.left),
                ("key", f"{shown.key}, signed with {shown.signature}"),
                ("speaks for", shown.speaks_for),
                ("sha256", shown.fingerprint),
            )
            yield from (Text(f"     {label:<11}{value}") for label, value in rows if value)
        yield from (Text(f"  private key, {kind}", "cyan") for kind in report.keys)
        yield from (Text(f"  ! {warning}", "yellow") for warning in report.warnings)
        yield from (Text(f"  ✗ {sentence}", "red") for sentence in report.wrong)
        if not report.wrong:
            taken = ", and peers would take it" if verified and report.certificates else ""
            yield Text(f"  ✓ nothing wrong{taken}", "green")
