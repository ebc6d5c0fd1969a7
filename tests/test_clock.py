"""The clock of realtime runs."""

import time

from wm_planner.clock import WallClock, epoch_now_ns


def test_the_wall_clock_tells_unix_time():
    before = time.time_ns()
    assert -1_000_000_000 < WallClock().now_ns() - before < 10_000_000_000


def test_the_wall_clock_does_not_step_when_the_time_of_the_system_is_set(monkeypatch):
    clock = WallClock()
    before = clock.now_ns()
    monkeypatch.setattr("time.time_ns", lambda: 0)
    assert clock.now_ns() >= before


def test_clocks_of_one_run_agree_whatever_their_processes_believe():
    epoch_ns = epoch_now_ns() - 3600 * 10**9
    clocks = WallClock(epoch_ns), WallClock(epoch_ns)
    early, late = (clock.now_ns() for clock in clocks)
    assert early <= late < WallClock().now_ns() - 3500 * 10**9
