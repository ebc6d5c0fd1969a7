"""Scenes and traffic scenarios to episode data sets."""

from wm_planner.collection.collect import CollectConfig, collect

__all__ = ["CollectConfig", "collect"]
