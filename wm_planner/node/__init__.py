"""Nodes: a class with parameters, ports and a lifecycle, run as a process of its own."""

from wm_planner.node.node import Node
from wm_planner.node.program import run

__all__ = ["Node", "run"]
