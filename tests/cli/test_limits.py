"""Every deadline and bound of the data path has a flag, and what is said by it arrives in the settings."""

from dataclasses import fields, is_dataclass

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.limits import GATEWAY, OUTBOUND, Limit, chosen
from gateway.pump import PumpLimits
from gateway.settings import Deadlines, InboundSettings, OutboundSettings, PoolSettings

BOTH = (*GATEWAY, *OUTBOUND)
SAID_OTHERWISE = {
    ("inbound", "cluster"),  # --cluster-name
    ("inbound", "cluster_domain"),
    ("inbound", "allow_loopback"),
    ("outbound", "allow_loopback"),
}


@pytest.mark.parametrize(
    ("holder", "settings"),
    [
        ("deadlines", Deadlines()),
        ("pump", PumpLimits()),
        ("pool", PoolSettings()),
        ("inbound", InboundSettings()),
        ("outbound", OutboundSettings()),
    ],
)
def test_no_limit_is_without_a_flag(holder: str, settings: object) -> None:
    assert is_dataclass(settings)
    plain = {field.name for field in fields(settings) if not is_dataclass(getattr(settings, field.name))}
    covered = {limit.field for limit in BOTH if limit.holder == holder}
    assert plain - covered == {field for said, field in SAID_OTHERWISE if said == holder}


@pytest.mark.parametrize("table", [GATEWAY, OUTBOUND], ids=["gateway", "outbound"])
def test_what_is_chosen_is_what_the_settings_get(table: tuple[Limit, ...]) -> None:
    values = {limit.name: limit.default + number for number, limit in enumerate(table, 1)}
    got = {
        (holder, field): value
        for holder in ("deadlines", "pump", "pool", "inbound", "outbound")
        for field, value in chosen(table, values, holder).items()
    }
    assert got == {(limit.holder, limit.field): values[limit.name] for limit in table}


@pytest.mark.parametrize(("command", "table"), [("gateway", GATEWAY), ("outbound", OUTBOUND)])
def test_help_shows_each_with_its_default(command: str, table: tuple[Limit, ...]) -> None:
    shown = CliRunner().invoke(app, [command, "--help"]).output
    words = " ".join(shown.split())
    for limit in table:
        assert f"--{limit.flag} {limit.metavar}" in words
        assert f"[default: {limit.default}; x>=" in words
        assert limit.help in words


def test_a_limit_that_makes_no_sense_is_refused_by_name() -> None:
    said = CliRunner().invoke(app, ["outbound", "--idle-timeout", "0"]).output
    assert "--idle-timeout" in said
