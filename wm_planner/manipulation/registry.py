"""The entries that manipulation adds to the registries of the core; see `wm_planner.plugins`."""

ENTRIES = {
    "simulator": {
        "bullet": "wm_planner.manipulation.simulation.bullet:BulletSimulator",
    },
    "simulator adapter": {
        "bullet": "wm_planner.manipulation.bridges.simulator_adapter:ArmAdapter",
        "mujoco": "wm_planner.manipulation.bridges.simulator_adapter:ArmAdapter",
        "mujoco_truth": "wm_planner.manipulation.bridges.simulator_adapter:TruthAdapter",
    },
    "controller": {
        "bullet": "wm_planner.manipulation.bridges.bullet:BulletControl",
        "ee_delta": "wm_planner.manipulation.bridges.ee_delta:EndEffectorControl",
        "joint": "wm_planner.manipulation.bridges.joint:JointControl",
    },
    "explorer": {
        "mujoco": "wm_planner.manipulation.simulation.exploration:ArmExplorer",
    },
}
