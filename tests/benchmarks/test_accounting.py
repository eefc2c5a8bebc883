"""What a process tree has used is seen, from outside."""

import os
import subprocess
import sys
import time

from benchmarks.accounting import cpu_seconds, memory, tree

BURN = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])"


def test_a_childs_time_and_memory_count_for_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdout.readline()
        assert len(tree(parent.pid)) == 2
        living = cpu_seconds(parent.pid)
        assert living >= 0.2
        assert memory(parent.pid) > memory(tree(parent.pid)[1]) > 1_000_000
        parent.stdin.write(b"\n")


def test_our_own_time_is_what_the_clock_of_our_process_says() -> None:
    before = time.process_time()
    seen = cpu_seconds(os.getpid())
    assert before <= seen
