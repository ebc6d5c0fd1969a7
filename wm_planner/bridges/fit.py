"""Whether a bundle fits the environment of a launch: refused by name before a process starts."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wm_planner.bridges.signals import SignalAdapter
from wm_planner.bridges.simulators import SIMULATOR_ADAPTERS
from wm_planner.contracts.card import Card
from wm_planner.contracts.simulator import Simulator
from wm_planner.errors import ConfigError
from wm_planner.share import find
from wm_planner.simulation import SIMULATORS
from wm_planner.world_models.onnx.card_file import read_card


def check_fit(hosted: Mapping[str, Any], bundle: str) -> None:
    """Refuse a bundle whose card disagrees with an environment whose commands are actions.

    Args:
        hosted: the simulator, `{type: ..., ...}`; one with a robot of its own is not judged.
        bundle: path of a bundle.

    Raises:
        ConfigError: naming everything that disagrees.
        BundleError, PluginError: if the card cannot be read.
        SimulationError: if the simulator cannot be made.
    """
    kind = SIMULATORS.load(hosted["type"])
    adapter = getattr(kind, "Adapter", None) or SIMULATOR_ADAPTERS.load(hosted["type"])
    if not (isinstance(adapter, type) and issubclass(adapter, SignalAdapter)):
        return
    simulator = SIMULATORS.build(hosted, "simulator: params.simulator")
    try:
        differences = list(disagreements(read_card(find(bundle)), simulator))
    finally:
        simulator.close()
    if differences:
        raise ConfigError(f"{bundle} does not fit {simulator.scene.name}: {'; '.join(differences)}")


def disagreements(card: Card, simulator: Simulator) -> Iterator[str]:
    """Where a card and an environment disagree, in words."""
    scene, seen = simulator.scene, simulator.observe()
    if card.action.names != scene.action.names:
        yield (
            f"its actions are {', '.join(card.action.names)}, those of the environment "
            f"{', '.join(scene.action.names)} (simulator: names)"
        )
    elif card.action.choices != scene.action.choices:
        yield f"its actions have {card.action.choices} choices, the environment {scene.action.choices}"
    if not np.isclose(card.control_dt_s, scene.control_dt_s, rtol=1e-3):
        yield f"its step is {card.control_dt_s:g} s, that of the environment {scene.control_dt_s:g} s"
    size = (card.observation.height, card.observation.width, 3)
    for camera in card.observation.cameras:
        if camera not in seen.images:
            yield f"it needs the camera '{camera}', there is {', '.join(seen.images) or 'none'}"
        elif seen.images[camera].shape != size:
            shape = seen.images[camera].shape
            yield f"it needs pictures of {size[0]}x{size[1]}, those of '{camera}' have {shape[0]}x{shape[1]}"
    for quantity in card.observation.state:
        if quantity.name not in seen.state:
            yield f"it needs the state '{quantity.name}', there is {', '.join(seen.state) or 'none'}"
        elif len(seen.state[quantity.name]) != quantity.size:
            got = len(seen.state[quantity.name])
            yield f"its state '{quantity.name}' has {quantity.size} values, that of the environment {got}"
