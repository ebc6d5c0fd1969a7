"""Statistics of a run, collected from its messages."""

import json
import math
from types import SimpleNamespace

import msgspec
import numpy as np
from rich.console import Console

from wm_planner.evaluation.runs import report
from wm_planner.evaluation.runs.live import Live
from wm_planner.evaluation.runs.report import coverage, tables
from wm_planner.evaluation.runs.run_statistics import EpisodeFigures, RunStatistics
from wm_planner.launching.events import Event
from wm_planner.messaging import messages as m


def episode_statistics(*distances_m, success=True, is_drive=False, total_reward=math.nan):
    """The statistics of one episode with these distances to the goal."""
    statistics = RunStatistics()
    if is_drive:
        statistics.add("/map", None)
    for step, distance in enumerate(distances_m):
        phase = "ended" if step == len(distances_m) - 1 else "running"
        message = m.Episode(
            header=m.header(0),
            id=1,
            seed=0,
            phase=phase,
            step=step,
            distance=distance,
            success=success and phase == "ended",
            reason="",
            goal_position=np.zeros(3),
            total_reward=total_reward,
        )
        statistics.add("/episode", message)
    return statistics


def render(statistics):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(tables(statistics.figures()))
    return captured.get()


def test_arm_success_uses_radii_and_centimetres():
    figures = episode_statistics(0.4, 0.2, 0.03).figures()
    assert [row.successes for row in figures.success] == [1, 0]
    assert figures.unit.format(figures.episodes[0].end_m) == "3.0 cm"
    text = render(episode_statistics(0.4, 0.2, 0.03))
    assert "within 5 cm" in text and "within 2.5 cm" in text and "final distance, cm" in text


def test_an_episode_that_failed_is_named_with_its_reason_and_its_return_does_not_count():
    statistics = RunStatistics()
    for number, reason in enumerate(("", "observation[0] is nan"), 1):
        message = m.Episode(
            header=m.header(0),
            id=number,
            seed=0,
            phase="ended",
            step=7,
            distance=math.nan,
            success=False,
            reason=reason,
            goal_position=np.zeros(3),
            total_reward=-30.0 * number,
        )
        statistics.add("/episode", message)
    figures = statistics.figures()
    assert (figures.total_reward.count, figures.total_reward.median) == (1, -30.0)
    assert [each.outcome for each in figures.episodes] == [
        "return -30.0",
        "failed, return so far -60.0: observation[0] is nan",
    ]
    assert "1 of 2 episodes failed: observation[0] is nan" in render(statistics)


def test_drive_success_uses_the_goal_and_metres():
    figures = episode_statistics(352.0, 100.0, 0.0, is_drive=True).figures()
    assert figures.success == []
    assert figures.unit.format(figures.episodes[0].distances_m[0]) == "352.0 m"
    text = render(episode_statistics(352.0, 100.0, 2.0, success=False, is_drive=True))
    assert "within" not in text and "goal reached" in text and "0 of 1" in text
    assert "final distance, m" in text


def test_drive_that_starts_near_its_goal_still_uses_metres():
    assert episode_statistics(3.0, 1.0, is_drive=True).figures().unit.format(3.0) == "3.0 m"
    assert "within" not in render(episode_statistics(3.0, 0.01, is_drive=True))


def test_goal_without_a_position_has_no_distance():
    statistics = episode_statistics(0.0, 0.0, success=False, is_drive=True)
    assert not statistics.figures().has_distance
    text = render(statistics)
    assert "goal reached" in text and "0 of 1" in text
    assert " cm" not in text and "distance" not in text


def test_a_quantity_without_values_has_no_row():
    text = render(episode_statistics(0.4, 0.2))
    assert "final distance, cm" in text
    assert "plan time" not in text and "surprise" not in text and " - " not in text
    assert "median" not in render(RunStatistics())


def test_outcome_of_an_episode_says_why_it_missed():
    def outcome(success, reason=""):
        return EpisodeFigures(1, 0, [0.1], ended=True, success=success, reason=reason).outcome

    assert outcome(True) == "reached"
    assert outcome(False) == "missed: out of steps"
    assert outcome(False, "collided at 3.1 s") == "missed: collided at 3.1 s"


def plans_with_inputs_of(*ages_s, is_realtime):
    """Statistics of plans every 0.2 s, from inputs of these ages."""
    statistics = RunStatistics(is_realtime=is_realtime)
    for age_s in ages_s:
        statistics.add("/plan", SimpleNamespace(dt_s=0.2))
        statistics.add("/plan_info", plan_info(input_age_s=age_s))
    return statistics


def plan_info(input_age_s=0.01, reason=""):
    return SimpleNamespace(
        elapsed_s=0.01,
        input_age_s=input_age_s,
        cost=1.0,
        deadline_hit=False,
        fallback=bool(reason),
        reason=reason,
    )


def test_the_report_says_why_plans_were_not_used(tmp_path):
    statistics = RunStatistics()
    for reason in ("", "no finite cost", "the deadline had passed", "no finite cost"):
        statistics.add("/plan_info", plan_info(reason=reason))
    printed = render(statistics)
    assert "3 fallbacks" in printed
    assert printed.index("2 plans not used: no finite cost") < printed.index("1 plans not used: the deadline")
    report.write_summary(tmp_path, statistics.figures(), {})
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["fallback_reasons"] == {"no finite cost": 2, "the deadline had passed": 1}


def test_only_the_most_frequent_reasons_of_fallbacks_are_printed():
    statistics = RunStatistics()
    for number in range(8):
        statistics.add("/plan_info", plan_info(reason=f"reason {number}"))
    assert "3 more reasons, see summary.json" in render(statistics)


def test_respawns_are_repeated_at_the_end_with_their_last_cause():
    events = [
        Event(1.0, "planner", "died", "signal SIGKILL"),
        Event(1.1, "planner", "respawned", "process 7"),
        Event(2.0, "planner", "died", "exit code 1"),
        Event(2.1, "planner", "respawned", "process 8"),
        Event(3.0, "controller", "died", "exit code 2", is_fatal=True),
    ]
    lines = report.respawns([event._asdict() for event in events])
    assert lines == ["planner was respawned 2 times, after exit code 1"]


def test_plans_from_stale_inputs_are_counted_in_realtime():
    statistics = plans_with_inputs_of(0.1, 0.39, 0.41, 4.3, is_realtime=True)
    assert statistics.figures().stale_inputs == 2
    assert "4 plans, 0 deadline misses, 2 from stale inputs, 0 fallbacks" in render(statistics)


def test_the_first_plan_from_stale_inputs_is_warned_of():
    console = Console(width=200)
    with console.capture() as captured, Live("none", None, console, lossless=False) as live:
        live.statistics = plans_with_inputs_of(0.1, 4.3, is_realtime=True)
    wanted = "warning: inputs are 4.3 s old when a plan is made, more than 2 control periods of 0.2 s"
    assert captured.get().count(wanted) == 1


def test_a_death_that_ends_the_run_is_left_to_the_error_of_the_run():
    console = Console(width=200)
    with console.capture() as captured, Live("none", None, console, lossless=True) as live:
        live.event(Event(1.0, "planner", "died", "signal SIGKILL"))
        live.event(Event(2.0, "controller", "died", "exit code 1: no arm", is_fatal=True))
    assert "planner died  signal SIGKILL" in captured.get()
    assert "controller" not in captured.get()


def test_inputs_are_never_stale_in_lockstep():
    statistics = plans_with_inputs_of(4.3, is_realtime=False)
    assert statistics.figures().stale_inputs is None
    assert "stale" not in render(statistics)


def test_scene_with_its_own_success_criterion_reports_it_with_the_radii():
    assert "goal reached" not in render(episode_statistics(0.4, 0.01))
    assert "goal reached" in render(episode_statistics(0.4, 0.04, success=False))


def figures_of_phases(*phases):
    """The figures of one episode per phase, which is the last that it reached."""
    statistics = RunStatistics()
    for number, phase in enumerate(phases, start=1):
        statistics.add(
            "/episode", m.Episode(m.header(0), number, 0, phase, 0, 0.1, True, "", np.zeros(3), math.nan)
        )
    return statistics.figures()


def test_coverage_counts_planned_and_started_episodes_that_did_not_end():
    figures = figures_of_phases("ended", "ended", "running")
    assert figures.started == 3
    assert coverage(figures, planned=10) == ["2 of 10 planned episodes have ended, 3 were started"]
    assert coverage(figures) == ["2 episodes have ended, 3 were started"]
    assert (
        coverage(figures_of_phases("ended", "ended"), planned=2) == coverage(figures_of_phases("ended")) == []
    )


def test_truncated_recording_is_reported_as_incomplete():
    figures = msgspec.structs.replace(figures_of_phases("ended"), is_complete=False)
    assert [line.partition(":")[0] for line in coverage(figures, 1)] == ["the recording is incomplete"]


def test_run_without_episodes_is_reported():
    assert "no episodes: nothing was published on /episode" in render(RunStatistics())
    assert "plans" not in render(RunStatistics())  # nothing to tabulate


def test_a_task_with_reward_reports_its_return_and_no_distance():
    statistics = episode_statistics(math.nan, math.nan, success=False, total_reward=-123.5)
    figures = statistics.figures()
    assert figures.success == []
    assert not figures.has_distance
    assert figures.total_reward.median == -123.5
    printed = render(statistics)
    assert "return" in printed and "-124" in printed
    assert "final distance" not in printed
