import contextlib
import os
import signal
import subprocess
import sys

import pytest
from toys import until

from wm_planner.launching.activity import activity_of, rest_of

WAITS = "import sys\nsys.stdout.write('x'); sys.stdout.flush()\nsys.stdin.read()"
ITS_THREAD_COMPUTES = f"""
import threading
def compute():
    while True: sum(range(1000))
threading.Thread(target=compute, daemon=True).start()
{WAITS}"""
ITS_CHILD_COMPUTES = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "while True: pass"])
{WAITS}"""


@pytest.fixture
def start():
    """Start a program, and return its process once it waits for its input."""
    started = []

    def process_of(program: str) -> subprocess.Popen:
        command = [sys.executable, "-c", program]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0, bufsize=0
        )
        started.append(process)
        assert process.stdout.read(1) == b"x"
        return process

    yield process_of
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also its children
        process.communicate()


def test_the_activity_of_a_process_is_read_from_the_kernel(start):
    process = start(WAITS)
    until(lambda: activity_of(process.pid).state == "S")
    process.send_signal(signal.SIGSTOP)
    until(lambda: activity_of(process.pid).state == "T")
    assert activity_of(process.pid).cpu_ticks >= 0
    process.kill()
    process.communicate()
    assert activity_of(process.pid) is None


def test_a_process_rests_while_all_its_threads_sleep(start):
    process = start(WAITS)
    until(lambda: rest_of(process.pid) is not None)
    assert rest_of(process.pid) == rest_of(process.pid)


@pytest.mark.parametrize("program", [ITS_THREAD_COMPUTES, ITS_CHILD_COMPUTES])
def test_a_process_does_not_rest_while_a_thread_or_a_child_computes(start, program):
    process = start(program)
    until(lambda: activity_of(process.pid).state == "S")
    before = rest_of(process.pid)
    until(lambda: rest_of(process.pid) is None or rest_of(process.pid) != before)


def test_what_has_ended_does_not_rest(start):
    process = start(WAITS)
    process.kill()
    process.communicate()
    assert rest_of(process.pid) is None
