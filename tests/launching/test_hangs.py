from types import SimpleNamespace

import pytest

from wm_planner.launching.activity import Activity
from wm_planner.launching.hangs import ASLEEP_S, BUSY_S, SUSPENDED_S, HangWatch, OwnTime

STEP_S = 0.02
ASLEEP = frozenset({(1, "100")})


class Watch:
    """The watch of a node whose loop turned at 0 s, and what its process does from then on."""

    def __init__(self) -> None:
        self.heartbeat = SimpleNamespace(last_s=0.0, due_s=0.0)
        self.now_s, self.state, self.ticks, self.rest = 0.0, "S", 0, None
        self.looks = 0
        self._watch = HangWatch(self.heartbeat, self._activity, lambda: self.rest)

    def _activity(self) -> Activity:
        self.looks += 1
        return Activity(self.state, self.ticks)

    def beat(self) -> None:
        self.heartbeat.last_s = self.heartbeat.due_s = self.now_s

    def until(self, end_s: float, step_s: float = STEP_S, share: float = 0.0):
        """Look until the node hangs, or `end_s`; it uses a share of one core meanwhile."""
        began_s = self.now_s
        while self.now_s < end_s:
            self.now_s += step_s
            self.ticks = round(100 * share * (self.now_s - began_s))
            if (hang := self._watch.look(self.now_s)) is not None:
                return hang
        return None


@pytest.fixture
def watch():
    return Watch()


def test_the_process_of_a_node_that_turns_is_not_even_looked_at(watch):
    for _ in range(100):
        assert watch.until(watch.now_s + 0.08) is None
        watch.beat()
    assert watch.looks == 0


def test_a_suspended_process_hangs_after_a_fifth_of_a_second(watch):
    watch.state = "T"
    hang = watch.until(1.0)
    assert (hang.state, hang.reason[:24]) == ("suspended", "is suspended (SIGSTOP), ")
    assert SUSPENDED_S <= watch.now_s <= SUSPENDED_S + 2 * STEP_S


def test_a_process_that_a_debugger_holds_does_not_hang(watch):
    watch.state = "t"
    assert watch.until(10.0) is None


def test_a_callback_that_sleeps_is_found_within_350_ms(watch):
    watch.rest = ASLEEP
    assert watch.until(1.0).state == "asleep"
    assert ASLEEP_S <= watch.now_s <= 0.35


def test_a_callback_that_has_told_that_it_waits_has_that_time_and_no_more(watch):
    watch.rest, watch.heartbeat.due_s = ASLEEP, 2.0
    hang = watch.until(3.0)
    assert hang.state == "asleep"
    assert 2.0 + ASLEEP_S <= watch.now_s <= 2.35


def test_a_suspended_process_hangs_also_while_it_waits(watch):
    watch.state, watch.heartbeat.due_s = "T", 60.0
    assert watch.until(1.0).state == "suspended"


@pytest.mark.parametrize("rest", [None, "changes"])
def test_a_process_of_which_a_thread_runs_now_and_then_does_not_hang(watch, rest):
    for count in range(100):
        watch.rest = None if rest is None else frozenset({(1, str(count))})
        assert watch.until(watch.now_s + 0.1) is None


def test_a_process_that_gets_no_core_does_not_hang(watch):
    watch.state = "R"
    assert watch.until(4 * BUSY_S, step_s=0.2, share=0.1) is None
    assert watch.ticks > 1000


def test_a_supervisor_that_was_late_itself_looks_again_before_it_judges(watch):
    watch.rest = ASLEEP
    assert watch.until(5.0, step_s=5.0) is None
    assert watch.until(6.0).state == "asleep"
    assert watch.now_s >= 5.1


def test_a_callback_that_computes_for_very_long_does_not_return(watch):
    watch.state = "R"
    assert watch.until(2 * BUSY_S, share=1.0).state == "busy"
    assert BUSY_S < watch.now_s < BUSY_S + 1.0


def test_several_threads_that_compute_are_not_counted_more_than_the_time_that_passes(watch):
    watch.state = "R"
    assert watch.until(0.9 * BUSY_S, share=16.0) is None


def test_the_own_time_of_a_process_leaves_out_what_it_waits_for_a_core():
    does, rest = Activity("R", 0), ASLEEP
    own = OwnTime(lambda: does, lambda: rest)
    for step in range(101):
        does = Activity("R", step // 10)  # a tenth of a core
        own.look(0.1 * step)
    assert own.total_s == pytest.approx(0.1)
    for step in range(101):
        does = Activity("S", 10)
        own.look(10.0 + STEP_S * step)
    assert own.total_s == pytest.approx(2.1)
    rest = None  # it sleeps until a thread of its own has had a core
    for step in range(101):
        own.look(12.0 + STEP_S * step)
    assert own.total_s == pytest.approx(2.1)
