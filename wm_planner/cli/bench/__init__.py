"""`wm bench`: the commands behind every figure of the documentation."""

from wm_planner.cli.bench import (
    camera_check,
    datasets,
    faults,
    fine_tuning,
    machine,
    models,
    planning,
    returns,
    traffic,
)
from wm_planner.cli.bench.base import app

__all__ = [
    "app",
    "camera_check",
    "datasets",
    "faults",
    "fine_tuning",
    "machine",
    "models",
    "planning",
    "returns",
    "traffic",
]
