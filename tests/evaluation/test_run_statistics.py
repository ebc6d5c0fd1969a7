"""Statistics of a run, collected from its messages."""

import msgspec
import numpy as np
from rich.console import Console

from wm_planner.evaluation.runs.report import coverage, tables
from wm_planner.evaluation.runs.run_statistics import EpisodeFigures, RunStatistics
from wm_planner.messaging import messages as m


def episode_statistics(*distances_m, success=True, is_drive=False):
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


def test_scene_with_its_own_success_criterion_reports_it_with_the_radii():
    assert "goal reached" not in render(episode_statistics(0.4, 0.01))
    assert "goal reached" in render(episode_statistics(0.4, 0.04, success=False))


def figures_of_phases(*phases):
    """The figures of one episode per phase, which is the last that it reached."""
    statistics = RunStatistics()
    for number, phase in enumerate(phases, start=1):
        statistics.add("/episode", m.Episode(m.header(0), number, 0, phase, 0, 0.1, True, "", np.zeros(3)))
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
