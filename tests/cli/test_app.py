"""The front door: help is quick, wrong use is told, every option has a variable."""

import subprocess
import sys

import pytest

from cli.app import COMMANDS, Entry, load, option_variable


def jackstay(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", "TERM": "dumb", **environment}
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=plain, timeout=60, check=False)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_has_help_with_an_example(entry: Entry) -> None:
    help_text = load(entry).help or ""
    assert f"jackstay {entry.name} " in help_text
    assert entry.summary.endswith(".")


def test_help_lists_every_command_without_importing_it() -> None:
    code = (
        "import sys; from cli.app import app; app(['--help'], standalone_mode=False);"
        "heavy = {'aiohttp', 'kubernetes_asyncio', 'cryptography', 'uvloop'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [entry.name for entry in COMMANDS if not entry.hidden and entry.name not in done.stdout] == []


@pytest.mark.parametrize("command", ["gateway", "outbound", "mirror", "podinfo"])
def test_what_runs_in_pods_does_not_load_the_kubernetes_library(command: str) -> None:
    """36 MB and 0.4 s for each process, for nothing that it uses there."""
    code = f"import sys, cli.{command}; sys.exit('kubernetes_asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_the_variable_of_an_option() -> None:
    assert option_variable("--trust-anchors") == "JACKSTAY_OPT_TRUST_ANCHORS"


def test_an_option_is_read_from_the_environment() -> None:
    done = jackstay("version", JACKSTAY_OPT_OUTPUT="json")
    assert (done.returncode, done.stdout[0]) == (0, "{")


def test_an_unknown_log_level_is_wrong_use() -> None:
    done = jackstay("podinfo", "--listen", "127.0.0.1:0", "--log-level", "loud")
    assert done.returncode == 2
    assert "'loud' is not one of" in done.stderr


def test_an_unknown_command_brings_the_nearest_one() -> None:
    done = jackstay("gatway")
    assert done.returncode == 2
    assert "Did you mean 'gateway'" in done.stderr


def test_an_unknown_option_names_the_help() -> None:
    done = jackstay("version", "--frob")
    assert done.returncode == 2
    assert "jackstay version --help" in done.stderr


def test_what_cannot_be_done_is_one_sentence_and_no_traceback() -> None:
    done = jackstay("gateways", "--kubeconfig", "/nonexistent/kubeconfig")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("jackstay: ")
    assert "/nonexistent/kubeconfig" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_says_what_it_is_made_of() -> None:
    assert jackstay("--version").stdout.startswith("jackstay ")
    assert "openssl" in jackstay("version").stdout


@pytest.mark.parametrize("command", [["link"], ["gateway"], ["install"], ["certs", "leaf"], ["certs"], []])
def test_help_is_whole_at_eighty_columns(command: list[str]) -> None:
    text = jackstay(*command, "--help", COLUMNS="80").stdout
    lines = text.splitlines()
    assert "…" not in text
    assert max(map(len, lines)) <= 80 or command in (["link"], ["gateway"])  # examples stay as they are
    assert "Example:" in text or "jackstay gateway --routes" in text


def test_options_stand_under_their_headings() -> None:
    lines = jackstay("gateway", "--help").stdout.splitlines()
    headings = [line for line in lines if line and not line.startswith((" ", "Usage"))]
    assert headings == ["Certificates:", "Options:", "In a cluster:", "Log:", "Limits:"]
    assert lines[-1].endswith("JACKSTAY_OPT_LOG_LEVEL, and so on.")


def test_an_example_is_not_wrapped() -> None:
    text = jackstay("install", "--help", COLUMNS="80").stdout
    assert "  Example:\n    jackstay install --trust-domain east.example" in text
    assert "\n      | kubectl --context east apply -f -\n" in text


def test_link_takes_an_api_server_by_https_only() -> None:
    done = jackstay("link", "--cluster-name", "east", "--api-server-address", "http://east.example")
    assert done.returncode == 2
    assert "'http://east.example' is not https; write it as https://HOST:PORT" in done.stderr
