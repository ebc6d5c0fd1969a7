"""Planners search for the action sequence of least cost. To add one, write a file and register it here."""

from wm_planner.plugins import Registry

PLANNERS = Registry(
    "planner",
    {
        "random_shooting": "wm_planner.planners.random_shooting:RandomShooting",
        "predictive_sampling": "wm_planner.planners.predictive_sampling:PredictiveSampling",
        "cem": "wm_planner.planners.cem:CEM",
        "vjepa2_ac": "wm_planner.planners.vjepa2_ac:VJEPA2AC",
        "dino_wm": "wm_planner.planners.presets:DinoWM",
        "icem": "wm_planner.planners.icem:ICEM",
        "mppi": "wm_planner.planners.mppi:MPPI",
        "gradient": "wm_planner.planners.gradient:Gradient",
        "categorical_cem": "wm_planner.planners.categorical_cem:CategoricalCEM",
        "mcts": "wm_planner.planners.mcts:MCTS",
        "policy": "wm_planner.planners.policy:PolicyPlanner",
    },
)
