"""Simulators. To add one, write a class and register it here or in a domain's registry.py."""

from wm_planner.plugins import Registry

SIMULATORS = Registry(
    "simulator",
    {
        "mujoco": "wm_planner.simulation.mujoco:MujocoSimulator",
        "mujoco_truth": "wm_planner.simulation.truth:TruthfulSimulator",
        "gym": "wm_planner.simulation.gym:GymSimulator",
    },
)
