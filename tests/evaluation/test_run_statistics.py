"""Figures of a run, gathered from its messages."""

import msgspec
import numpy as np
from rich.console import Console

from wm_planner.evaluation.runs.report import coverage, tables
from wm_planner.evaluation.runs.run_statistics import RunStatistics
from wm_planner.messaging import messages as m


def told(*distances_m, success=True, is_drive=False):
    """Statistics of one episode with these distances."""
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


def printed(statistics):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(tables(statistics.figures()))
    return captured.get()


def test_an_arm_is_judged_by_radii_and_read_in_centimetres():
    figures = told(0.4, 0.2, 0.03).figures()
    assert [row.successes for row in figures.success] == [1, 0]
    assert figures.unit.words(figures.episodes[0].end_m) == "3.0 cm"
    text = printed(told(0.4, 0.2, 0.03))
    assert "within 5 cm" in text and "within 2.5 cm" in text and "end distance, cm" in text


def test_a_drive_is_judged_by_its_goal_and_read_in_metres():
    figures = told(352.0, 100.0, 0.0, is_drive=True).figures()
    assert figures.success == []
    assert figures.unit.words(figures.episodes[0].distances_m[0]) == "352.0 m"
    text = printed(told(352.0, 100.0, 2.0, success=False, is_drive=True))
    assert "within" not in text and "goal reached" in text and "0 of 1" in text
    assert "end distance, m" in text


def test_a_drive_that_begins_near_its_goal_is_a_drive_all_the_same():
    assert told(3.0, 1.0, is_drive=True).figures().unit.words(3.0) == "3.0 m"
    assert "within" not in printed(told(3.0, 0.01, is_drive=True))


def test_a_goal_that_is_no_place_has_no_distance():
    statistics = told(0.0, 0.0, success=False, is_drive=True)
    assert not statistics.figures().has_distance
    text = printed(statistics)
    assert "goal reached" in text and "0 of 1" in text
    assert " cm" not in text and "distance" not in text


def test_a_scene_with_a_measure_of_its_own_shows_it_beside_the_radii():
    assert "goal reached" not in printed(told(0.4, 0.01))
    assert "goal reached" in printed(told(0.4, 0.04, success=False))


def started(*phases):
    """Figures of one episode per phase that it came to."""
    statistics = RunStatistics()
    for number, phase in enumerate(phases, start=1):
        statistics.add("/episode", m.Episode(m.header(0), number, 0, phase, 0, 0.1, True, "", np.zeros(3)))
    return statistics.figures()


def test_episodes_that_were_planned_or_started_and_did_not_end_are_counted():
    figures = started("ended", "ended", "running")
    assert figures.started == 3
    assert coverage(figures, planned=10) == ["2 of 10 planned episodes have ended, 3 were started"]
    assert coverage(figures) == ["2 episodes have ended, 3 were started"]
    assert coverage(started("ended", "ended"), planned=2) == coverage(started("ended")) == []


def test_a_recording_that_was_cut_is_called_incomplete():
    figures = msgspec.structs.replace(started("ended"), is_complete=False)
    assert [line.partition(":")[0] for line in coverage(figures, 1)] == ["the recording is incomplete"]


def test_a_run_without_episodes_says_so():
    assert "no episodes: nothing was published on /episode" in printed(RunStatistics())
    assert "0 plans, 0 deadline misses" in printed(RunStatistics())
