"""The demo's processes: started, ended, and never left behind."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.demo.observe import NotYet, answer, until
from cli.demo.processes import Child, Failed, Processes, environment
from process.address import Address


async def podinfo(processes: Processes) -> tuple[Child, Address]:
    """A podinfo on a port of its own choice, and where it listens according to its log."""
    child = await processes.start("podinfo", "podinfo", "--listen", "127.0.0.1:0", "--log-format", "json")

    async def listening() -> Address:
        if '"listen": "' not in (log := child.log.read_text()):
            raise NotYet(log)
        return Address.parse(log.partition('"listen": "')[2].partition('"')[0])

    return child, await until(listening, "podinfo listens", child)


async def test_what_was_started_runs_and_is_gone_after_the_block(tmp_path: Path) -> None:
    async with Processes(tmp_path) as processes:
        child, address = await podinfo(processes)
        assert (await answer(f"http://{address}/"))["message"] == "greetings from here"
        assert processes["podinfo"] is child
    assert child.ended == 0
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_a_process_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    async with Processes(tmp_path, grace=0.1) as processes:
        child, _ = await podinfo(processes)
        os.kill(child.pid, signal.SIGSTOP)
    assert child.ended == -signal.SIGKILL


async def test_cancelling_the_block_ends_them_too(tmp_path: Path) -> None:
    started: asyncio.Future[Child] = asyncio.get_running_loop().create_future()

    async def demo() -> None:
        async with Processes(tmp_path) as processes:
            started.set_result((await podinfo(processes))[0])
            await asyncio.Event().wait()

    task = asyncio.ensure_future(demo())
    child = await started
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert child.ended is not None


async def test_waiting_for_a_process_that_has_ended_ends_at_once_with_its_log(tmp_path: Path) -> None:
    async def never() -> None:
        raise NotYet("silence")

    async with Processes(tmp_path) as processes:
        child = await processes.start("broken", "podinfo", "--listen", "nonsense")
        with pytest.raises(Failed, match=r"(?s)broken ended with 2\n.*nonsense"):
            await until(never, "it serves", child, within=60)


async def test_a_deadline_says_what_was_seen_last() -> None:
    async def never() -> None:
        raise NotYet("only a 503")

    with pytest.raises(Failed, match="the gateway: not within 0 s; last seen: only a 503"):
        await until(never, "the gateway", within=0.2)


async def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    async with Processes(tmp_path) as processes:
        assert (await processes.run("--version")).startswith("jackstay ")
        with pytest.raises(Failed, match=r"(?s)`jackstay versoin` exited with 2:.*Did you mean 'version'"):
            await processes.run("versoin")


def test_a_kill_of_the_parent_leaves_nobody(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from cli.demo.processes import Processes\n"
        "async def main():\n"
        "    async with Processes(pathlib.Path(sys.argv[1])) as processes:\n"
        "        child = await processes.start('podinfo', 'podinfo', '--listen', '127.0.0.1:0')\n"
        "        print(child.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        # A pidfd becomes readable when its process is gone.
        assert select.select([descriptor], [], [], 10)[0] == [descriptor]
    finally:
        os.close(descriptor)


def test_settings_of_the_person_who_runs_it_do_not_reach_the_processes() -> None:
    ours = {"PATH": "/bin", "JACKSTAY_OPT_LISTEN": ":1", "KUBECONFIG": "/x", "LANG": "C"}
    assert environment(ours) == {"PATH": "/bin", "LANG": "C"}
