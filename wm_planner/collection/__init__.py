"""Collection of data sets: episodes that explore a scene or traffic scenarios."""

from wm_planner.collection.collect import CollectConfig, collect

__all__ = ["CollectConfig", "collect"]
