"""Readers of scenario files: CommonRoad, Argoverse 2, ScenarioNet and recorded drives."""

from wm_planner.driving.scenarios.readers.formats import read_scenario

__all__ = ["read_scenario"]
