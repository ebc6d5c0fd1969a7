"""Bundles that do not fit an environment are refused before a process starts."""

import msgspec
import pytest

from wm_planner import share
from wm_planner.bridges.fit import check_fit, disagreements
from wm_planner.contracts.card import ActionSpec, ObservationSpec, Quantity
from wm_planner.errors import ConfigError
from wm_planner.simulation import SIMULATORS
from wm_planner.world_models.onnx.card_file import read_card

BUNDLE = "models/bundles/pendulum"
PENDULUM = {"type": "gym", "id": "Pendulum-v1", "names": ["torque"]}
YARD = {"type": "sprites", "level": "point"}


def card(**changes):
    return msgspec.structs.replace(read_card(share.find(BUNDLE)), **changes)


def test_a_bundle_fits_its_own_environment():
    check_fit(PENDULUM, BUNDLE)


def test_a_simulator_with_a_robot_of_its_own_is_not_judged():
    check_fit({"type": "mujoco", "scene": "sim/panda_reach.py"}, BUNDLE)


def test_everything_that_disagrees_is_named():
    with pytest.raises(ConfigError) as caught:
        check_fit({"type": "gym", "id": "MountainCar-v0"}, BUNDLE)
    text = str(caught.value)
    assert text.startswith(f"{BUNDLE} does not fit MountainCar-v0: its actions are torque, those of the")
    assert "its step is 0.05 s, that of the environment 0.0333333 s" in text
    assert "its state 'observation' has 3 values, that of the environment 2" in text


def test_cameras_states_and_choices_are_compared():
    yard = SIMULATORS.build(YARD, "here")
    wanted = ObservationSpec(
        cameras=("above", "front"),
        height=64,
        width=64,
        state=(Quantity(name="mass", size=1, unit="kg"),),
    )
    lines = list(disagreements(card(observation=wanted, action=yard.scene.action, control_dt_s=0.1), yard))
    assert lines == [
        "it needs pictures of 64x64, those of 'above' have 32x32",
        "it needs the camera 'front', there is above",
        "it needs the state 'mass', there is position, velocity",
    ]
    cart = SIMULATORS.build({"type": "gym", "id": "CartPole-v1"}, "here")
    three = ActionSpec(names=("choice",), units=("",), low=(0.0,), high=(2.0,), choices=3)
    assert "its actions have 3 choices, the environment 2" in list(disagreements(card(action=three), cart))
