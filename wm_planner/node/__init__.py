"""Nodes: classes with parameters, subscriptions and a lifecycle, each run as a process."""

from wm_planner.node.facts import Facts
from wm_planner.node.node import Node
from wm_planner.node.program import run

__all__ = ["Facts", "Node", "run"]
