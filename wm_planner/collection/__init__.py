"""Collection of data sets: episodes that explore a scene or traffic scenarios."""

from wm_planner.collection.collect import CollectConfig, collect
from wm_planner.collection.random_actions import RandomExplorer

__all__ = ["CollectConfig", "RandomExplorer", "collect"]
