"""Synthetic scores of drives for tests of tables."""

from wm_planner.driving.evaluation import tables as t
from wm_planner.driving.evaluation.drive_scores import DriveScores

SUBSCORES = dict.fromkeys(t.SUBSCORES, 1.0)
CONDITIONS = dict.fromkeys(("start", "no_collision", "on_road", "goal", "feasible"), True)


def drive(score, planner="idm", agents="replay", scenario="A", **fields):
    defaults = {
        "file": f"{scenario}.xml",
        "scenario": scenario,
        "problem": 0,
        "planner": planner,
        "agents": agents,
        "duration_s": 8.0,
        "moving": 3,
        "expert": "idm",
        "human_filter": False,
        "reached": True,
        "collided": False,
        "off_road": False,
        "nuplan": {"score": score, **SUBSCORES},
        "pdms": {"score": score},
        "epdms": {"score": score, "extended_comfort": 1.0},
        "plans": 9,
        "commonroad": {"JB1": 8.0, "TR1": None},
        "conditions": CONDITIONS,
        "plan_cpu_s": [0.010] * 19 + [0.050],
        "plan_wall_s": [0.020] * 20,
    }
    return DriveScores(**{**defaults, **fields})
