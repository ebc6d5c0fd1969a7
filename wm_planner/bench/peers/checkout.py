"""Plans of the shipped models and of the `cem` driver, with the wm_planner on the module path.

This is the peer of `wm bench versions`. It also runs in older checkouts, with other names of driving modules.
"""

import contextlib
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

import wm_planner as wm
from wm_planner import share

SMALL = {"type": "icem", "horizon": 3, "samples": 48, "elites": 8, "iterations": 3}


def planners() -> dict[str, Callable[[], Any]]:
    return {
        "small": plans_over("models/panda_reach_small"),
        "token": plans_over("models/panda_reach"),
        "cem driver": driver_plans(),
    }


def plans_over(bundle: str) -> Callable[[], Any]:
    """A plan from random latents per call, with the settings of launch/panda_reach.yaml."""
    model = wm.OnnxWorldModel.load(bundle, device="cpu")
    planner = wm.PLANNERS.build({**SMALL, "init_std": 0.5, "min_std": 0.02}, where="planner")
    costs = wm.build_costs([{"type": "latent_goal", "mean_weight": 2.0}], where="costs")
    loop = wm.RecedingHorizon(wm.RecedingHorizon.Config(), planner, model, costs, seed=0)
    rng = np.random.default_rng(0)
    shapes = {spec.name: (1, *spec.shape) for spec in model.card.latents}
    latent, goal = (
        {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        for _ in range(2)
    )
    ticks = iter(range(1_000_000))
    return lambda: loop.tick(latent, wm.Context(goal_latent=goal), next(ticks))


def driver_plans() -> Callable[[], Any]:
    """A plan of the first step of a drive from a ramp onto a motorway per call."""
    readers = first_module("driving.scenarios.readers", "driving.readers")
    simulation = first_module("driving.simulation.simulator", "simulation.driving")
    views = first_module("driving.simulation.view", "simulation.driving_view")
    drivers = first_module("driving.planners.base")
    simulator = simulation.DrivingSimulator
    options = getattr(simulator, "Options", simulator.Config)(picture=None, agents={"type": "idm"})
    scenario = readers.read_scenario(share.find("sim/drive_merge.xml"))
    view = views.view_of(simulator(scenario, options))
    return lambda: drivers.build_driver({"type": "cem"}, "driver").plan(view)


def first_module(*names: str) -> Any:
    """The first module of wm_planner in `names` that exists: its current name, then older ones."""
    *others, last = (f"wm_planner.{name}" for name in names)
    for name in others:
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    return importlib.import_module(last)
