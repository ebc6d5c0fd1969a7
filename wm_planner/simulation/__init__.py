"""Simulators: worlds that answer commands. A new one is a class and a line here or in a domain."""

from wm_planner.plugins import Registry

SIMULATORS = Registry("simulator", {"mujoco": "wm_planner.simulation.mujoco:MujocoSimulator"})
