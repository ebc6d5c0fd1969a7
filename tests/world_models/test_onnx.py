import subprocess
import sys

import msgspec
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from point_mass import PointMass, encode_graph, make_card, step_graph, write_bundle

from wm_planner.contracts.card import LatentSpec, NoiseSpec, ObservationSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.task import Goal
from wm_planner.errors import BundleError, ConfigError, PluginError, ShapeError
from wm_planner.world_models.onnx import execution
from wm_planner.world_models.onnx import model as onnx_module
from wm_planner.world_models.onnx.execution import providers
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.repeatability import check_parity
from wm_planner.world_models.onnx.rollout_graph import rollout_graph
from wm_planner.world_models.onnx.session import Graph

TWO_CAMERAS = ObservationSpec(
    cameras=("front", "side"),
    height=4,
    width=4,
    joined="channels",
    input_shape=(6, 4, 4),
    state=(Quantity(name="x", size=1, unit="m"), Quantity(name="y", size=1, unit="m")),
)
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2)).astype(np.float32)


@pytest.fixture
def model(tmp_path):
    write_bundle(tmp_path / "toy", make_card())
    return OnnxWorldModel.load(tmp_path / "toy", device="cpu")


def picture(value=0, shape=(4, 4, 3), dtype=np.uint8):
    return np.full(shape, value, dtype)


# --- the contract


def test_encode_takes_images_and_states_in_the_order_of_the_card(tmp_path):
    write_bundle(tmp_path / "toy", make_card(observation=TWO_CAMERAS))
    model = OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    images = {"side": picture(10), "front": picture(100), "unused": picture(shape=(9, 9, 3))}
    latent = model.encode(Observation(images, {"y": np.array([0.5]), "x": np.array([0.25])}))
    np.testing.assert_allclose(latent["z"], [[110.25, 110.5]])
    assert latent["z"].dtype == np.float32


def test_a_missing_state_is_refused_by_name_unless_it_is_that_of_a_goal(model):
    with pytest.raises(ShapeError, match=r"no state 'position' .got speed., which toy reads .2 in m."):
        model.encode(Observation({"front": picture(7)}, {"speed": np.zeros(1)}))
    np.testing.assert_allclose(model.encode(Goal({"front": picture(7)}))["z"], [[7, 7]])


def test_an_observation_may_hold_more_than_the_model_reads(model):
    state = {"position": np.zeros(2), "velocity": np.full(9, np.nan)}
    np.testing.assert_allclose(model.encode(Observation({"front": picture(7)}, state))["z"], [[7, 7]])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([0.1, np.nan], r"toy: the state position\[1\] is nan m, wanted a finite value"),
        ([-np.inf, 0.1], r"position\[0\] is -inf m, wanted a finite value"),
        ([0.1, 2.5], r"position\[1\] is 2.5 m, outside of its bounds -2 to 2$"),
        (["left", "right"], "position is .*'left', 'right'.*, wanted 2 numbers"),
    ],
)
def test_a_state_that_cannot_be_is_refused_by_component_value_and_bounds(tmp_path, given, problem):
    position = Quantity(name="position", size=2, unit="m", low=(None, -2.0), high=(2.0,))
    write_bundle(tmp_path / "toy", make_card(observation=ObservationSpec(state=(position,))))
    model = OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    model.encode(Observation({}, {"position": np.array([-9.0, 2.00001])}))  # rounded, and no lower bound
    with pytest.raises(ShapeError, match=problem):
        model.encode(Observation({}, {"position": given}))
    with pytest.raises(ShapeError, match=problem):
        model.encode(Goal({}, {"position": given}))


@pytest.mark.parametrize("given", [2.5, -1.0, 3.0, np.nan])
def test_a_label_that_does_not_exist_is_refused(tmp_path, given):
    room = Quantity(name="room", size=1, unit="", choices=3, labels=("hall", "kitchen", "attic"))
    plane = Quantity(name="plane", size=1, unit="m")
    write_bundle(tmp_path / "toy", make_card(observation=ObservationSpec(state=(room, plane))))
    model = OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    seen = {"room": np.array([2]), "plane": np.zeros(1)}
    np.testing.assert_allclose(model.encode(Observation({}, seen))["z"], [[2, 0]])
    with pytest.raises(ShapeError, match=r"room is .*, wanted (one of the 3 labels from 0|a finite value)"):
        model.encode(Observation({}, seen | {"room": np.array([given])}))
    with pytest.raises(ShapeError, match=r"room is \['attic'\], wanted the number of its label"):
        model.encode(Observation({}, seen | {"room": np.array(["attic"])}))


def test_a_rollout_longer_than_the_models_memory_is_refused(tmp_path):
    write_bundle(tmp_path / "toy", make_card(max_horizon=3))
    model = OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    latent = {"z": np.zeros((1, 2), np.float32)}
    model.rollout(latent, ACTIONS)
    with pytest.raises(ShapeError, match=r"4 steps, but toy remembers 3 \(card: max_horizon\)"):
        model.rollout(latent, np.zeros((5, 4, 2), np.float32))


def test_a_rollout_is_the_step_repeated(model):
    latent = {"z": np.array([[1.0, -1.0]], np.float32)}
    rollout = model.rollout(latent, ACTIONS)
    assert rollout.latents["z"].shape == (5, 3, 2)
    np.testing.assert_allclose(
        rollout.latents["z"], PointMass().rollout(latent, ACTIONS).latents["z"], atol=1e-6
    )
    now = {"z": np.repeat(latent["z"], 5, axis=0)}
    for step in range(3):
        now, _ = model.step(now, ACTIONS[:, step])
        np.testing.assert_array_equal(rollout.latents["z"][:, step], now["z"])
    assert not rollout.states and not rollout.outputs


@pytest.mark.parametrize("bundle", ["panda_reach_small", "panda_reach", "panda_reach_vjepa2_ac"])
@pytest.mark.parametrize("horizon", [1, 4])
def test_a_rollout_in_one_call_equals_the_rollout_step_by_step(bundle, horizon):
    model, rng = OnnxWorldModel.load(f"models/bundles/{bundle}", device="cpu"), np.random.default_rng(0)
    actions = rng.uniform(-0.05, 0.05, (6, horizon, 3)).astype(np.float32)
    for count in (1, 6):  # one latent for all candidates, or one per candidate
        size = {z.name: (count, *z.shape) for z in model.card.latents}
        latent = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in size.items()}
        once, stepped = model.rollout(latent, actions), model.step_by_step(latent, actions)
        assert list(once.latents) == list(stepped.latents) and list(once.states) == list(stepped.states)
        for name in once.latents:
            assert once.latents[name].shape == (6, horizon, *size[name][1:])
            np.testing.assert_allclose(once.latents[name], stepped.latents[name], atol=1e-5)


def test_shared_arrays_and_caches_go_through_a_rollout(tmp_path):
    """z' = z + a + wind + calls, calls' = calls + 1, where wind is shared and calls is a cache."""
    card = make_card(
        latents=(
            LatentSpec(name="wind", shape=(2,), role="shared"),
            LatentSpec(name="z", shape=(2,)),
            LatentSpec(name="calls", shape=(1,), role="cache"),
        ),
        capabilities=("reward",),
    )
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Sum", ["z", "action", "wind", "calls"], ["next.z"]),
        helper.make_node("Add", ["calls", "one"], ["next.calls"]),
        helper.make_node("ReduceSum", ["next.z", "axis"], ["output.reward"], keepdims=0),
    ]
    inputs = {"wind": [1, 2], "z": ["N", 2], "calls": ["N", 1], "action": ["N", 2]}
    outputs = {"next.z": ["N", 2], "next.calls": ["N", 1], "output.reward": ["N"]}
    constants = [
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
    ]
    ports = [[value(n, TensorProto.FLOAT, s) for n, s in some.items()] for some in (inputs, outputs)]
    graph = helper.make_graph(nodes, "step", *ports, constants)
    step = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    def load(model):
        return Graph(tmp_path, providers("cpu"), 1, model.SerializeToString())

    model = OnnxWorldModel(card, load(step), load(step), load(rollout_graph(step, card)))
    latent = {"z": np.zeros((1, 2), np.float32), "wind": np.array([[0.5, -0.5]], np.float32)}
    once, stepped = model.rollout(latent, ACTIONS), model.step_by_step(latent, ACTIONS)
    assert list(once.latents) == ["z"]  # neither the shared array nor the cache
    calls = np.arange(3).cumsum()[:, None]
    wanted = ACTIONS.cumsum(axis=1) + latent["wind"] * np.arange(1, 4)[:, None] + calls
    np.testing.assert_allclose(once.latents["z"], wanted, atol=1e-6)
    np.testing.assert_allclose(stepped.latents["z"], wanted, atol=1e-6)
    np.testing.assert_allclose(once.outputs["reward"], stepped.outputs["reward"], atol=1e-6)


def test_a_large_network_is_called_step_by_step(tmp_path, monkeypatch):
    write_bundle(tmp_path / "toy", make_card())
    whole = OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    monkeypatch.setattr(onnx_module, "LARGEST_ROLLOUT", 10)
    large = OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    monkeypatch.setattr(large, "step_by_step", lambda *given: "step by step")
    assert large.rollout({"z": np.zeros((1, 2))}, ACTIONS) == "step by step"
    assert whole.rollout({"z": np.zeros((1, 2))}, ACTIONS).latents["z"].shape == (5, 3, 2)


def test_every_candidate_may_start_from_its_own_latent(model):
    own = {"z": np.arange(10, dtype=np.float32).reshape(5, 2)}
    together = model.rollout(own, ACTIONS).latents["z"]
    for index in range(5):
        alone = model.rollout({"z": own["z"][index : index + 1]}, ACTIONS[index : index + 1])
        np.testing.assert_array_equal(together[index], alone.latents["z"][0])
    with pytest.raises(ShapeError, match=r"latent z has shape \(2, 2\), the card of toy says \(1, 2\)"):
        model.rollout({"z": own["z"][:2]}, ACTIONS)


def test_arrays_with_a_unit_are_states_and_capabilities_are_outputs(tmp_path):
    card = make_card(latents=(LatentSpec(name="z", shape=(2,), unit="m"),), capabilities=("reward",))
    write_bundle(tmp_path / "toy", card)
    model = OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    rollout = model.rollout({"z": np.zeros((1, 2), np.float32)}, ACTIONS)
    assert rollout.states["z"] is rollout.latents["z"]
    np.testing.assert_allclose(rollout.outputs["reward"], ACTIONS.sum(axis=2), rtol=1e-5)
    assert {"state:z", "output:reward"} <= model.card.offers


def test_float64_actions_are_converted_to_float32(model):
    rollout = model.rollout({"z": np.zeros((1, 2), np.float32)}, ACTIONS.astype(np.float64))
    assert rollout.latents["z"].dtype == np.float32


# --- observations and arrays that do not fit


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (Observation({"side": picture()}), "no image of camera 'front' .got side., the card of toy says"),
        (
            Observation({"front": picture(shape=(8, 8, 3))}),
            r"toy: .* uint8 \(8, 8, 3\), wanted uint8 \(4",
        ),
        (Observation({"front": picture(dtype=np.float32)}), r"is float32 \(4, 4, 3\)"),
        (
            Observation({"front": picture()}, {"position": np.zeros(3)}),
            r"toy: the state position has shape \(3,\), wanted \(2,\) in m",
        ),
    ],
)
def test_an_observation_that_disagrees_with_the_card_is_refused(model, observation, reason):
    with pytest.raises(ShapeError, match=reason):
        model.encode(observation)


def test_cameras_of_two_sizes_are_fitted_as_the_card_says_or_named(tmp_path):
    images = {"front": picture(10), "side": picture(100, (12, 30, 3))}
    seen = Observation(images, {"x": np.zeros(1), "y": np.zeros(1)})
    for fit in ("exact", "crop", "stretch"):
        write_bundle(tmp_path / fit, make_card(observation=msgspec.structs.replace(TWO_CAMERAS, fit=fit)))
        model = OnnxWorldModel.load(tmp_path / fit, device="cpu")
        if fit == "exact":
            with pytest.raises(ShapeError, match=r"'side' is uint8 \(12, 30, 3\), .* \(observation.fit\)"):
                model.encode(seen)
        else:
            np.testing.assert_allclose(model.encode(seen)["z"], [[110, 110]])


def test_a_latent_of_another_model_is_refused(model):
    with pytest.raises(ShapeError, match=r"latent z has shape \(1, 9\), the card of toy says \(1, 2\)"):
        model.rollout({"z": np.zeros((1, 9), np.float32)}, ACTIONS)
    with pytest.raises(ShapeError, match=r"shape \(2, 2\), the card of toy says \(1, 2\)"):
        model.rollout({"z": np.zeros((2, 2), np.float32)}, ACTIONS)
    with pytest.raises(ShapeError, match="latent z is missing"):
        model.step({"tokens": np.zeros((1, 2))}, ACTIONS[:, 0])


def test_actions_of_the_wrong_shape_are_refused_with_their_names(model):
    latent = {"z": np.zeros((1, 2), np.float32)}
    with pytest.raises(ShapeError, match=r"shape \(5, 3, 7\), the card of toy says \(N, H, 2\): a0, a1"):
        model.rollout(latent, np.zeros((5, 3, 7)))
    with pytest.raises(ShapeError, match=r"says \(N, 2\)"):
        model.step(latent, np.zeros(2))


# --- bundles that do not fit their card


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"step": {"latent": 9}}, r"latents.z.shape says \[N, 2\], input z is \[N, 9\]"),
        ({"step": {"batch": 3}}, r"step.onnx: latents.z.shape says \[N, 2\], input z is \[3, 2\]"),
        ({"step": {"action": "u"}}, "step.onnx has an input 'u' that the card does not imply"),
        ({"encode": {"height": 8}}, r"observation says \[1, 4, 4, 3\], input image.front is \[N, 8, 4, 3\]"),
    ],
)
def test_a_graph_that_disagrees_with_its_card_is_refused_with_the_line(tmp_path, change, reason):
    card = make_card()
    graphs = {
        name: {"encode": encode_graph, "step": step_graph}[name](card, **changes)
        for name, changes in change.items()
    }
    write_bundle(tmp_path / "toy", card, **graphs)
    with pytest.raises(BundleError, match=reason) as refused:
        OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    assert "card.yaml" in str(refused.value)


def test_a_graph_without_an_output_of_the_card_is_refused(tmp_path):
    card = make_card()
    write_bundle(tmp_path / "toy", make_card(capabilities=("reward",)), step=step_graph(card))
    with pytest.raises(BundleError, match=r"has no output 'output\.reward', which capabilities implies"):
        OnnxWorldModel.load(tmp_path / "toy", device="cpu")


def test_a_dtype_that_differs_is_refused(tmp_path):
    card = make_card(latents=(LatentSpec(name="z", shape=(2,), dtype="int64"),))
    write_bundle(tmp_path / "toy", card)
    with pytest.raises(BundleError, match=r"latents.z.shape says int64, output z is float32"):
        OnnxWorldModel.load(tmp_path / "toy", device="cpu")


def test_a_corrupt_graph_file_is_refused(tmp_path):
    card = write_bundle(tmp_path / "toy", make_card())
    (tmp_path / "toy" / "step.onnx").write_bytes(b"nonsense")
    with pytest.raises(BundleError, match=r"graphs.step.sha256 .* was changed"):
        OnnxWorldModel.load(tmp_path / "toy", device="cpu")
    with pytest.raises(BundleError, match=r"step.onnx: ONNX Runtime cannot load it"):
        Graph(tmp_path / "toy" / "step.onnx", providers("cpu"), threads=1)
    assert set(card.graphs) == {"encode", "step"}


def test_noise_that_no_graph_takes_and_missing_graphs_are_refused(tmp_path):
    noise = (NoiseSpec(name="eps", shape=(2,), kind="normal"),)
    write_bundle(tmp_path / "noisy", make_card(noise=noise))
    with pytest.raises(BundleError, match=r"step.onnx has no input .noise.eps., which noise.eps implies"):
        OnnxWorldModel.load(tmp_path / "noisy", device="cpu")
    with pytest.raises(PluginError, match="no such file or folder"):
        OnnxWorldModel.load(tmp_path / "absent", device="cpu")


# --- devices


def test_auto_uses_the_cpu_without_cuda(monkeypatch):
    monkeypatch.setattr(execution, "why_not", lambda device: "it is missing")
    assert providers("auto") == ["CPUExecutionProvider"]
    with pytest.raises(ConfigError, match="device is cuda, but it is missing; use `device: auto`"):
        providers("cuda")


def test_auto_uses_cuda_if_it_can_be_loaded(monkeypatch):
    monkeypatch.setattr(execution, "why_not", lambda device: None)
    assert providers("auto") == providers("cuda") == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert providers("tensorrt") == ["TensorrtExecutionProvider", *providers("cuda")]
    assert providers("cpu") == ["CPUExecutionProvider"]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_runtime_built_without_a_provider_is_recognised(device, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    reason = f"this ONNX Runtime was built without {device.upper()} .pip install onnxruntime-gpu."
    with pytest.raises(ConfigError, match=f"device is {device}, but {reason}; use `device: auto`"):
        providers(device)


class Backwards(OnnxWorldModel):
    """A device whose steps have the wrong sign."""

    def step(self, latent, action, noise=None):
        return {name: -array for name, array in super().step(latent, action, noise)[0].items()}, {}


def test_a_device_that_computes_something_else_than_the_cpu_is_refused(model, tmp_path):
    check_parity("toy", "cuda", model, model)
    other = Backwards.load(tmp_path / "toy", device="cpu")
    with pytest.raises(BundleError, match=r"step.onnx: z differs by .*% between cuda and the CPU"):
        check_parity("toy", "cuda", other, model)


def test_what_is_loaded_on_a_gpu_is_compared_with_the_cpu(model, tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(onnx_module, "CPU", "another provider")  # the CPU counts as a GPU
    monkeypatch.setattr(onnx_module, "check_parity", lambda *given: compared.append(given[1]))
    real = OnnxWorldModel.load.__func__
    monkeypatch.setattr(OnnxWorldModel, "load", classmethod(lambda cls, *given: model))
    real(OnnxWorldModel, tmp_path / "toy", "auto")
    assert compared == ["CPUExecutionProvider"]


def test_a_normal_run_prints_nothing(tmp_path):
    write_bundle(tmp_path / "toy", make_card())
    program = (
        "import numpy as np, sys\n"
        "from wm_planner.world_models.onnx.model import OnnxWorldModel\n"
        "model = OnnxWorldModel.load(sys.argv[1])\n"
        "model.rollout({'z': np.zeros((1, 2), np.float32)}, np.zeros((4, 2, 2), np.float32))\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "toy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
