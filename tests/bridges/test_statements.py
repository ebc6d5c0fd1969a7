"""What environments and bundles state of a run, and which of them are refused before a process starts."""

import msgspec
import pytest
from point_mass import make_card, write_bundle

from wm_planner import share
from wm_planner.bridges.simulators import facts
from wm_planner.bridges.statements import action_statements
from wm_planner.contracts.card import ActionSpec, ObservationSpec
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import ConfigError
from wm_planner.launching import file
from wm_planner.simulation import SIMULATORS
from wm_planner.world_models.onnx.card_file import read_card

BUNDLE = "models/bundles/pendulum"
LAUNCH = """
nodes:
  - {{exec: simulator, params: {{simulator: {simulator}}}}}
  - {{exec: perception, params: {{world_model: {bundle}}}}}
  - exec: controller
    params: {{control: {{type: passthrough, world_model: {bundle}}}}}
"""


def load(folder, simulator, bundle=BUNDLE):
    (folder / "x.yaml").write_text(LAUNCH.format(simulator=simulator, bundle=bundle))
    return file.load(folder / "x.yaml", "monday")


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "gym", "id": "Pendulum-v1"},
        {
            "type": "gym",
            "id": "wm_planner.sprites.simulation.gym_env:wm_planner/SpriteYard-Point-v0",
            "size_px": 16,
        },
        {"type": "sprites", "level": "glide", "size_px": 24},
    ],
)
def test_what_an_environment_states_is_what_it_observes(spec):
    stated, simulator = facts(spec, "here"), SIMULATORS.build(spec, "here")
    seen, scene = simulator.observe(), simulator.scene
    simulator.close()
    sizes = {name: f"{len(array)} value{'s' if len(array) > 1 else ''}" for name, array in seen.state.items()}
    pictures = {name: "{} x {} pixels".format(*image.shape[:2]) for name, image in seen.images.items()}
    assert stated.offers == {"camera": pictures, "state": sizes}
    assert stated.agrees == {"the control period in s": scene.control_dt_s, **action_statements(scene.action)}


def test_an_arm_states_its_states_and_leaves_the_action_to_its_controller():
    stated = facts({"type": "mujoco", "scene": "sim/panda_reach.py"}, "here")
    joints = dict.fromkeys(("joint_positions", "joint_velocities"), "7 values")
    assert stated.offers["state"] == {"tcp_position": "3 values", **joints}
    assert set(stated.agrees) == {"the control period in s", "what /command carries"}


def test_a_bundle_fits_its_own_environment_with_units_or_without(tmp_path):
    load(tmp_path, "{type: gym, id: Pendulum-v1, names: [torque]}")
    load(tmp_path, "{type: gym, id: Pendulum-v1, names: [torque], units: [N m]}")
    with pytest.raises(ConfigError, match=r"units is N m in nodes.2. .controller., but Nm in nodes.0."):
        load(tmp_path, "{type: gym, id: Pendulum-v1, names: [torque], units: [Nm]}")


def test_everything_that_disagrees_is_named_with_both_nodes_and_values(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "{type: gym, id: MountainCar-v0}")
    text, simulator = str(caught.value), "nodes[0] (simulator)"
    assert text.startswith(
        f"{tmp_path}/x.yaml: the control period in s is 0.05 in nodes[1] (perception), but "
    )
    assert f"but 0.0333333 in {simulator}; " in text
    assert f"action's components is torque in nodes[2] (controller), but choice in {simulator}; " in text
    assert f"continuous in nodes[2] (controller), but one of 3 choices in {simulator}" in text
    assert (
        f"nodes[1] (perception) needs the state observation (3 values), {simulator} offers observation "
        "(2 values): choose"
    ) in text


def test_cameras_and_states_of_a_yard_are_compared(tmp_path):
    wanted = ObservationSpec(
        cameras=("above", "front"),
        height=64,
        width=64,
        state=(Quantity(name="mass", size=1, unit="kg"),),
    )
    action = ActionSpec(names=("dx", "dy"), units=("m", "m"), low=(-1.0,) * 2, high=(1.0,) * 2)
    write_bundle(tmp_path / "other", msgspec.structs.replace(make_card(action), observation=wanted))
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "{type: sprites}", tmp_path / "other")
    text = str(caught.value)
    assert (
        "needs the camera above (64 x 64 pixels), nodes[0] (simulator) offers above (32 x 32 pixels)" in text
    )
    assert "needs the camera front (64 x 64 pixels), nodes[0] (simulator) offers above" in text
    assert "needs the state mass (1 value), nodes[0] (simulator) offers position (2 values), velocity" in text


def test_an_environment_without_pictures_does_not_fit_a_model_that_needs_them(tmp_path):
    card = read_card(share.find(BUNDLE))
    seen = msgspec.structs.replace(card.observation, cameras=("render",), height=32, width=32)
    write_bundle(tmp_path / "seeing", msgspec.structs.replace(card, observation=seen))
    with pytest.raises(ConfigError, match=r"needs the camera render .*, nodes.0. .simulator. offers none"):
        load(tmp_path, "{type: gym, id: Pendulum-v1, names: [torque]}", tmp_path / "seeing")
