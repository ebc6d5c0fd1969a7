import signal
import subprocess
import sys

import pytest
from toys import until

from wm_planner.launching.liveness import BUSY_S, LATE_S, Activity, Liveness, activity_of


class Watch:
    """A liveness with one active node, and what its process does."""

    def __init__(self) -> None:
        self.liveness = Liveness()
        self.liveness.activate("planner", 0.0)
        self.looks = 0

    def news(self, now_s: float, state: str = "S", cpu_ticks: int = 0) -> list[str]:
        def look() -> dict[str, Activity]:
            self.looks += 1
            return {"planner": Activity(state, cpu_ticks)}

        return self.liveness.news(now_s, look)


@pytest.fixture
def watch():
    return Watch()


def test_a_node_that_reports_is_not_mentioned(watch):
    for second in range(1, 60):
        watch.liveness.report("planner", float(second))
        assert watch.news(second + 0.9) == []
    assert watch.looks == 0  # processes are not looked at


def test_a_suspended_node_is_reported_once_and_again_when_it_is_back(watch):
    assert watch.news(LATE_S + 0.1, "T") == ["planner is suspended (SIGSTOP, or a debugger)"]
    assert watch.news(LATE_S + 2.0, "T") == []
    watch.liveness.report("planner", LATE_S + 3.0)
    assert watch.news(LATE_S + 3.1) == ["planner reports again"]
    assert watch.news(LATE_S + 3.2) == []


def test_a_node_that_sleeps_in_a_callback_is_reported(watch):
    lines = [line for tenth in range(200) for line in watch.news(tenth / 10, "S", cpu_ticks=70)]
    assert len(lines) == 1
    assert lines[0].startswith("planner has neither reported nor run for 3 s")


def test_a_long_callback_and_a_busy_machine_raise_no_alarm(watch):
    for tenth in range(int(10 * BUSY_S)):
        now_s = tenth / 10
        assert watch.news(now_s, "S", cpu_ticks=int(now_s)) == []  # it runs now and then
    starved = Watch()
    assert [line for tenth in range(290) for line in starved.news(tenth / 10, "R", cpu_ticks=70)] == []


def test_a_callback_that_never_returns_is_reported_eventually(watch):
    lines = [line for tenth in range(400) for line in watch.news(tenth / 10, "R", cpu_ticks=10 * tenth)]
    assert lines == [
        f"planner has been busy for {BUSY_S:.0f} s without a report: does a callback not return?"
    ]


def test_a_node_that_has_ended_is_not_mentioned(watch):
    watch.liveness.remove("planner")
    watch.liveness.report("planner", 1.0)  # its last report may come late
    assert watch.news(100.0, "T") == []


def test_the_activity_of_a_process_is_read_from_the_kernel():
    program = "import sys\nsys.stdout.write('x'); sys.stdout.flush()\nsys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.read(1) == b"x"
    until(lambda: activity_of(process.pid).state == "S")  # it waits for its input
    process.send_signal(signal.SIGSTOP)
    until(lambda: activity_of(process.pid).state == "T")
    assert activity_of(process.pid).cpu_ticks >= 0
    process.kill()
    process.communicate()
    assert activity_of(process.pid) is None
