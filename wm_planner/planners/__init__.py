"""Planners: search over action sequences. A new one is a file and a line here."""

from wm_planner.plugins import Registry

PLANNERS = Registry(
    "planner",
    {
        "random_shooting": "wm_planner.planners.random_shooting:RandomShooting",
        "cem": "wm_planner.planners.cem:CEM",
        "icem": "wm_planner.planners.icem:ICEM",
    },
)
