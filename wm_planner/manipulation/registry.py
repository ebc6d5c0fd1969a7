"""The entries that manipulation adds to the registries of the core; see `wm_planner.plugins`."""

ENTRIES = {
    "simulator adapter": {
        "mujoco": "wm_planner.manipulation.bridges.simulator_adapter:ArmAdapter",
    },
    "controller": {
        "ee_delta": "wm_planner.manipulation.bridges.ee_delta:EndEffectorControl",
        "joint": "wm_planner.manipulation.bridges.joint:JointControl",
    },
    "explorer": {
        "mujoco": "wm_planner.manipulation.simulation.exploration:ArmExplorer",
    },
}
