"""Gains of a traffic model: paired differences, and the log of drives."""

from pathlib import Path

import numpy as np
import pytest

from wm_planner.bench.measurements.drive_log import DriveLog
from wm_planner.bench.measurements.traffic_model_ablation import PLAIN, gains, variants
from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.driving.evaluation.scenario_runs import ScenarioResult
from wm_planner.errors import ConfigError


def scores_of(planner, file, score, collided=False, error=""):
    return DriveScores(
        file=file,
        scenario=file,
        problem=0,
        planner=planner,
        agents="idm",
        duration_s=8.0,
        moving=3,
        expert="idm",
        human_filter=False,
        reached=not collided,
        collided=collided,
        off_road=False,
        nuplan={} if error else {"score": score, "progress": 0.5},
        pdms={"score": score},
        epdms={"score": score},
        plans=2,
        commonroad={},
        conditions={},
        plan_cpu_s=[0.02, 0.04],
        plan_wall_s=[0.02, 0.04],
        error=error,
    )


def gain(scores, variant, metric):
    return next(each for each in gains(scores) if (each.variant, each.metric) == (variant, metric))


def test_gains_are_taken_in_pairs():
    """Scenarios differ far more than variants; only paired differences show that one is always better."""
    difficulty = np.linspace(0.1, 0.8, 10)
    scores = [scores_of(PLAIN, f"{at:.2f}", at) for at in difficulty]
    scores += [scores_of("goal", f"{at:.2f}", at + 0.05) for at in difficulty[::-1]]
    improvement = gain(scores, "goal", "nuPlan")
    assert improvement.value == pytest.approx(50.0)
    assert improvement.gain == pytest.approx((5.0, 5.0, 5.0))
    assert gain(scores, PLAIN, "nuPlan").gain == pytest.approx((0.0, 0.0, 0.0))


def test_a_gain_in_half_of_the_drives_has_an_interval_around_zero():
    scores = [scores_of(PLAIN, str(i), 0.5) for i in range(20)]
    scores += [scores_of("both", str(i), 0.6 if i % 2 else 0.4, collided=not i % 2) for i in range(20)]
    low, high = gain(scores, "both", "nuPlan").gain[1:]
    assert low < 0 < high
    assert gain(scores, "both", "collided").gain.value == pytest.approx(50.0)


def test_a_drive_with_an_error_scores_zero():
    scores = [scores_of(PLAIN, "a", 0.9), scores_of(PLAIN, "b", 0.9)]
    scores += [scores_of("goal", "a", 0.9), scores_of("goal", "b", 0.9, error="ValueError: no")]
    assert gain(scores, "goal", "nuPlan").gain.value == pytest.approx(-45.0)


def test_variants_name_the_model_and_the_weights():
    specs = variants("cem", "models/x", goal=0.5, surprise=0.25)
    assert specs[PLAIN] == {"type": "cem"}
    assert [cost["type"] for cost in specs["both"]["extra"]] == ["traffic_goal", "traffic_surprise"]
    assert specs["goal"]["extra"] == [{"type": "traffic_goal", "weight": 0.5, "model": "models/x"}]


def test_a_log_runs_only_missing_drives(tmp_path):
    runs = []

    def run(files):
        runs.append([str(file) for file in files])
        return [ScenarioResult(str(file), (scores_of(PLAIN, str(file), 0.5),)) for file in files]

    files, path = [Path("a"), Path("b")], tmp_path / "drives.jsonl"
    first = list(DriveLog(path).drives("plain", files[:1], run))
    both = list(DriveLog(path).drives("plain", files, run))
    assert runs == [["a"], ["b"]]
    assert both[:1] == first and len(both) == 2
    list(DriveLog(path).drives("other settings", files[:1], run))
    assert runs[2:] == [["a"]]


def test_a_log_with_other_contents_is_refused(tmp_path):
    path = tmp_path / "drives.jsonl"
    path.write_text('{"how": "plain"}')
    with pytest.raises(ConfigError, match=r"line 1.*wanted a drive"):
        DriveLog(path)
