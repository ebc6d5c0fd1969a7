import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from point_mass import action_spec, make_card, write_bundle

from wm_planner.contracts.card import LatentSpec
from wm_planner.contracts.context import Context
from wm_planner.costs import build_costs
from wm_planner.errors import BundleError, ConfigError
from wm_planner.launching.file import planning
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import shifted
from wm_planner.planners.noise import normal
from wm_planner.planners.problem import Problem
from wm_planner.portable import export as portable
from wm_planner.portable.comparison import Difference, planner_feed
from wm_planner.portable.export import export_planner
from wm_planner.world_models.onnx.model import OnnxWorldModel
from wm_planner.world_models.onnx.session import Graph

NODE_EXAMPLE = Path(__file__).parents[2] / "examples" / "node_planner"
TO_THE_GOAL = [{"type": "latent_goal", "mean_weight": 2.0}]
ICEM = {"type": "icem", "horizon": 3, "samples": 24, "elites": 6, "iterations": 2}
KNOTS = {"horizon": 4, "knots": {"count": 2}}
EXPORTABLE = [
    ICEM,
    ICEM | KNOTS,
    {"type": "cem", "horizon": 3, "samples": 24, "elites": 6, "iterations": 2, "momentum": 0.2},
    {"type": "cem", "samples": 24, "elites": 6, "iterations": 2, **KNOTS},
    {"type": "mppi", "horizon": 3, "samples": 24, "elites": 12, "iterations": 2, "temperature": 0.5},
    {"type": "vjepa2_ac", "samples": 24, "iterations": 3},
    {"type": "dino_wm", "samples": 40, "iterations": 3},
    {"type": "predictive_sampling", "samples": 24, **KNOTS},
    {"type": "random_shooting", "samples": 24, "horizon": 3},
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """z' = z + a, where z is a position in m; the reward is the sum of the action."""
    folder = tmp_path_factory.mktemp("bundles") / "toy"
    latents = (LatentSpec(name="z", shape=(2,), unit="m"),)
    write_bundle(folder, make_card(action_spec(2), latents=latents, capabilities=("reward",)))
    return folder


@pytest.fixture(scope="module")
def exported(toy, tmp_path_factory):
    """The exported iCEM planner of the toy, shared by all tests that read it."""
    path = tmp_path_factory.mktemp("planners") / "planner.onnx"
    export_planner(toy, ICEM, GOAL_AND_MORE, path, "test: ")
    return path


GOAL_AND_MORE = [
    {"type": "latent_goal", "array": "z", "metric": "l1"},
    {"type": "state_goal", "state": "z", "weight": 0.3},
    {"type": "action_rate", "weight": 0.05},
    {"type": "effort", "weight": 0.02},
    {"type": "consistency", "weight": 0.01},
    {"type": "reward", "weight": 0.1},
    {"type": "state_limits", "state": "z", "low": [-0.5, -0.5], "high": [0.5, 0.5], "weight": 0.5},
    {"type": "keep_out", "state": "z", "spheres": [[0.2, 0.2, 0.1]], "weight": 2.0},
]


def graph_of(path):
    return Graph(path, ["CPUExecutionProvider"], threads=1)


def noise_rows(planner, shape, rng):
    """The noise that the planner draws, as rows of the graph's input."""
    if planner["type"] == "random_shooting":
        return rng.random(shape, dtype=np.float32)
    if planner["type"] == "icem":
        return rng.standard_normal(shape, dtype=np.float32)
    iterations = getattr(PLANNERS.build(planner, "test").config, "iterations", 1)
    return np.concatenate([normal(rng, (shape[0] // iterations, *shape[1:])) for _ in range(iterations)])


def plan_both_ways(path, bundle, planner, costs, ticks=3, goal=1.0):
    """Pairs of the Python planner's plan and the graph's outputs, for consecutive ticks."""
    model, graph = OnnxWorldModel.load(bundle, device="cpu"), graph_of(path)
    built, weighted = PLANNERS.build(planner, "test"), build_costs(costs, "test")
    noise = next(port.shape for port in graph.inputs if port.name == "noise")
    rng, width = np.random.default_rng(5), len(model.card.action.names)
    start, there = (
        {z.name: rng.standard_normal((1, *z.shape), np.float32) for z in model.card.latents} for _ in "ab"
    )
    there = {name: goal * array for name, array in there.items()}
    physical = {z.name: there[z.name][0] for z in model.card.latents if z.unit}
    warm_start, proposals = (
        np.zeros((built.horizon, width), np.float32),
        np.zeros((0, built.horizon, width), np.float32),
    )
    for tick in range(ticks):
        context = Context(physical, there, np.full(width, 0.01, np.float32), warm_start)
        plan = built.plan(
            Problem(model, start, weighted, context),
            rng=np.random.default_rng(tick),
            warm_start=warm_start,
            proposals=proposals,
        )
        rows = noise_rows(planner, noise, np.random.default_rng(tick))
        feed = planner_feed(start, context, rows, proposals)
        given = graph.run({port.name: feed[port.name] for port in graph.inputs})
        yield plan, given
        warm_start = given["next.warm_start"]
        proposals = given.get("next.proposals", proposals)


def assert_same(plan, given):
    """The plan and the graph's outputs agree to 1e-5."""
    np.testing.assert_allclose(given["actions"], plan.actions, atol=1e-5)
    np.testing.assert_allclose(given["cost"], plan.cost, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(given["spread"], plan.spread, atol=1e-5)
    np.testing.assert_allclose(given["next.warm_start"], shifted(plan.actions, 1), atol=1e-5)
    assert {f"term.{name}" for name in plan.terms} == {name for name in given if name.startswith("term.")}
    for name, term in plan.terms.items():
        np.testing.assert_allclose(given[f"term.{name}"], term, rtol=1e-5, atol=1e-5)
    assert ("next.proposals" in given) == (plan.elites is not None)
    if plan.elites is not None:
        np.testing.assert_allclose(given["next.proposals"], shifted(plan.elites, 1), atol=1e-5)


# --- the same plans


@pytest.mark.parametrize(
    "planner", EXPORTABLE, ids=lambda spec: "-".join([spec["type"], *("knots" in spec) * ["knots"]])
)
def test_every_sampling_planner_plans_the_same_with_the_same_noise(toy, tmp_path, planner):
    costs, path = [{"type": "latent_goal", "array": "z"}], tmp_path / "planner.onnx"
    difference = export_planner(toy, planner, costs, path, "test: ").difference
    assert difference.actions <= 1e-5 and difference.cost <= 1e-5 and difference.plans > 1
    for plan, given in plan_both_ways(path, toy, planner, costs):
        assert_same(plan, given)


@pytest.mark.parametrize(
    ("bundle", "launch"),
    [
        ("models/bundles/panda_reach_small", "panda_reach"),
        ("models/bundles/panda_reach", "panda_reach"),
        ("models/bundles/panda_reach_small", "panda_reach_wall"),
    ],
)
def test_shipped_bundles_plan_the_same_at_their_launch_settings(bundle, launch, tmp_path):
    planner, costs = planning(launch)
    export_planner(bundle, planner, costs, tmp_path / "planner.onnx", f"{launch}: ")
    for plan, given in plan_both_ways(tmp_path / "planner.onnx", bundle, planner, costs):
        assert_same(plan, given)


def test_costs_on_states_actions_and_outputs_are_in_the_graph(toy, exported):
    for plan, given in plan_both_ways(exported, toy, ICEM, GOAL_AND_MORE):
        assert_same(plan, given)


def test_if_no_cost_is_finite_the_warm_start_is_returned(toy, exported):
    plan, given = next(plan_both_ways(exported, toy, ICEM, GOAL_AND_MORE, goal=np.nan))
    assert plan.cost == given["cost"] == np.inf
    np.testing.assert_array_equal(given["actions"], np.zeros((3, 2)))
    assert given["next.proposals"].shape == (0, 3, 2)
    assert np.isfinite(given["spread"]).all()


def test_a_non_finite_warm_start_counts_as_zeros(exported):
    graph = graph_of(exported)
    rng = np.random.default_rng(0)
    feed = {
        port.name: rng.standard_normal([size or 0 for size in port.shape], np.float32)
        for port in graph.inputs
    }
    shape = feed["warm_start"].shape
    none, broken = (graph.run(feed | {"warm_start": np.full(shape, x, np.float32)}) for x in (0.0, np.nan))
    assert np.isfinite(broken["next.warm_start"]).all()
    for name, array in none.items():
        np.testing.assert_array_equal(broken[name], array)


def test_a_non_finite_warm_start_counts_as_the_set_point_that_is_held(tmp_path):
    latents = (LatentSpec(name="z", shape=(2,), unit="m"),)
    action = msgspec.structs.replace(action_spec(2), absolute=True)
    write_bundle(tmp_path / "held", make_card(action, latents=latents))
    planner = {"type": "cem", "horizon": 2, "samples": 2, "elites": 1, "iterations": 1}
    cost = [{"type": "latent_goal", "array": "z"}]
    export_planner(tmp_path / "held", planner, cost, tmp_path / "planner.onnx", "test: ")
    graph, last = graph_of(tmp_path / "planner.onnx"), np.array([0.5, -0.25], np.float32)
    feed = {port.name: np.zeros([size or 0 for size in port.shape], np.float32) for port in graph.inputs}
    starts = (np.full((2, 2), np.nan, np.float32), np.stack([last, last]))
    found, held = (graph.run(feed | {"last_action": last, "warm_start": start}) for start in starts)
    np.testing.assert_array_equal(found["actions"], held["actions"])


# --- the file


def test_the_graph_documents_its_inputs(exported):
    model = onnx.load(exported)
    onnx.checker.check_model(model, full_check=True)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["model"], json.loads(facts["control_dt_s"]), json.loads(facts["horizon"])) == (
        "toy",
        0.1,
        3,
    )
    assert json.loads(facts["action"]) == {
        "names": ["a0", "a1"],
        "units": ["m", "m"],
        "low": [-1, -1],
        "high": [1, 1],
    }
    rows = 24 + 19  # iCEM draws fewer in its second iteration
    assert json.loads(facts["noise"]) == {"kind": "normal", "shape": [rows, 3, 2]}
    assert json.loads(facts["planner"]) == ICEM
    shapes = {port.name: port.shape for port in graph_of(exported).inputs}
    assert shapes["noise"] == (rows, 3, 2) and shapes["proposals"] == (None, 3, 2)
    assert list(shapes) == [
        *("latent.z", "goal_latent.z", "goal.z", "last_action", "warm_start", "proposals", "noise"),
    ]
    assert all(port.doc_string for port in (*model.graph.input, *model.graph.output))


def test_noise_of_another_shape_is_refused_by_the_runtime(exported):
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    feed = {
        port.name: np.zeros([size if isinstance(size, int) else 0 for size in port.shape], np.float32)
        for port in session.get_inputs()
    }
    session.run(None, feed)
    with pytest.raises(Exception, match="Got invalid dimensions for input: noise"):
        session.run(None, feed | {"noise": feed["noise"][1:]})


def test_the_same_settings_give_the_same_file(toy, exported, tmp_path):
    export_planner(toy, ICEM, GOAL_AND_MORE, tmp_path / "again.onnx", "test: ")
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


def test_weights_are_stored_only_once(tmp_path):
    planner = {"type": "cem", "horizon": 3, "samples": 16, "iterations": 3}
    export_planner(
        "models/bundles/panda_reach_small", planner, TO_THE_GOAL, tmp_path / "planner.onnx", "test: "
    )
    step = Path("models/bundles/panda_reach_small/step.onnx").stat().st_size
    assert (tmp_path / "planner.onnx").stat().st_size < 1.4 * step


RUN_IN_A_NEW_PROCESS = """
import hashlib, sys, numpy as np
from pathlib import Path
from wm_planner.world_models.onnx.session import Graph
graph = Graph(Path(sys.argv[1]), ["CPUExecutionProvider"], threads=1)
rng = np.random.default_rng(0)
feed = {port.name: rng.random([size or 0 for size in port.shape], np.float32) for port in graph.inputs}
given = graph.run(feed)
print(hashlib.sha256(b"".join(given[name].tobytes() for name in sorted(given))).hexdigest())
"""


def test_the_same_inputs_give_the_same_bytes_in_another_process(exported):
    command = [sys.executable, "-c", RUN_IN_A_NEW_PROCESS, exported]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1] and len(runs[0]) > 60


# --- what cannot be exported


@pytest.mark.parametrize(
    ("planner", "costs", "reason"),
    [
        ({"type": "gradient"}, TO_THE_GOAL, "Gradient cannot be exported: .* use icem, cem, mppi"),
        ({"type": "mcts"}, TO_THE_GOAL, "MCTS plans discrete actions"),
        (
            ICEM,
            [{"type": "effort", "limit": {"at_most": 0.1}}],
            "cost 'effort' has a limit, .* give it a weight",
        ),
        (ICEM, [{"type": "obstacles", "state": "z", "objects": "x"}], "cost 'obstacles' reads the domain"),
        (ICEM, [{"type": "value"}], "cost 'value' requires 'output:value'"),
        (ICEM | {"samplez": 1}, TO_THE_GOAL, "test: planner: unknown key 'samplez', did you mean 'samples'"),
    ],
)
def test_settings_that_a_graph_does_not_support_are_refused(toy, tmp_path, planner, costs, reason):
    with pytest.raises(ConfigError, match=reason):
        export_planner(toy, planner, costs, tmp_path / "planner.onnx", "test: ")
    assert not list(tmp_path.iterdir())


def test_rate_limits_are_refused(tmp_path):
    write_bundle(tmp_path / "toy", make_card(msgspec.structs.replace(action_spec(2), rate=(0.1, 0.1))))
    with pytest.raises(ConfigError, match="toy limits the rate of its actions"):
        export_planner(tmp_path / "toy", ICEM, [{"type": "latent_goal"}], tmp_path / "planner.onnx", "test: ")


def test_a_cost_that_needs_concrete_values_is_named(toy, tmp_path):
    (tmp_path / "branching.py").write_text(
        "from wm_planner.config import Config\n"
        "class Branching:\n"
        "    class Config(Config, frozen=True, kw_only=True): pass\n"
        "    requires = frozenset()\n"
        "    def __init__(self, config): pass\n"
        "    def __call__(self, rollout, actions, context):\n"
        "        return actions[:, 0, 0] if actions[0, 0, 0] > 0 else -actions[:, 0, 0]\n"
    )
    costs = [{"type": f"{tmp_path / 'branching.py'}:Branching", "name": "branching"}]
    with pytest.raises(ConfigError, match="cost 'branching' cannot be written as a graph"):
        export_planner(toy, ICEM, costs, tmp_path / "planner.onnx", "test: ")


def test_a_graph_that_plans_differently_is_not_written(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(portable, "compare", lambda *_: Difference(actions=0.2, cost=np.nan, plans=1))
    with pytest.raises(BundleError, match=r"differ from the Python planner's by 2\.0e-01 half ranges"):
        export_planner(toy, ICEM, [{"type": "effort"}], tmp_path / "planner.onnx", "test: ")
    assert not list(tmp_path.iterdir())


# --- the command


def wm(*arguments):
    command = [sys.executable, "-m", "wm_planner.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_takes_the_settings_of_a_launch_file(tmp_path):
    out = tmp_path / "planner.onnx"
    done = wm(
        "export-planner",
        "models/bundles/panda_reach_small",
        "--launch",
        "panda_reach",
        "horizon=2",
        "--set",
        "iterations=1",
        "--out",
        out,
    )
    assert done.returncode == 0, done.stderr
    assert "largest difference from the Python planner in 6 plans: actions" in done.stdout
    assert "noise                (16, 2, 3) normal noise" in done.stdout
    facts = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
    assert json.loads(facts["planner"])["init_std"] == 0.5 and json.loads(facts["costs"]) == TO_THE_GOAL


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--launch", "panda_reach", "--planner", "cem"], "got --launch and --planner, wanted one"),
        (["horizon=2"], "got 'horizon=2', which needs --launch"),
        (["--planner", "mcts"], "MCTS plans discrete actions"),
        (["--planner", "icme"], "did you mean 'icem'"),
    ],
)
def test_an_invalid_command_exits_with_2_and_writes_nothing(tmp_path, arguments, reason):
    done = wm(
        "export-planner", "models/bundles/panda_reach_small", *arguments, "--out", tmp_path / "planner.onnx"
    )
    assert done.returncode == 2 and reason in done.stderr
    assert not list(tmp_path.iterdir())


# --- another language


@pytest.fixture(scope="module")
def node_planner(skip_loudly):
    """The program of examples/node_planner with its package installed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip_loudly("no node or npm: examples/node_planner is not tested")
    if not (NODE_EXAMPLE / "node_modules" / "onnxruntime-node").is_dir():
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        installed = subprocess.run(command, cwd=NODE_EXAMPLE, capture_output=True, text=True, check=False)
        if installed.returncode != 0:
            skip_loudly(f"npm cannot install onnxruntime-node: {installed.stderr[-200:]}")
    return NODE_EXAMPLE / "plan.js"


def node(program, path, *ticks):
    """Run the program with one JSON line per tick."""
    lines = "\n".join(json.dumps(tick) for tick in ticks)
    return subprocess.run(["node", program, path], input=lines, capture_output=True, text=True, check=False)


def test_node_plans_the_same_as_python(node_planner, tmp_path):
    planner, costs = planning("panda_reach")
    path, bundle = tmp_path / "planner.onnx", "models/bundles/panda_reach_small"
    export_planner(bundle, planner, costs, path, "test: ")
    rng = np.random.default_rng(3)
    start, goal = rng.standard_normal((2, 64), dtype=np.float32)
    shape = next(port.shape for port in graph_of(path).inputs if port.name == "noise")
    noise = [np.random.default_rng(tick).standard_normal(shape, dtype=np.float32) for tick in range(3)]
    ticks = [
        {"latent.z": start.tolist(), "goal_latent.z": goal.tolist(), "noise": n.ravel().tolist()}
        for n in noise
    ]
    done = node(node_planner, path, *ticks)
    assert (done.returncode, done.stderr) == (0, "")
    built, model = PLANNERS.build(planner, "test"), OnnxWorldModel.load(bundle, device="cpu")
    problem = Problem(
        model, {"z": start[None]}, build_costs(costs, "test"), Context(goal_latent={"z": goal[None]})
    )
    warm_start = proposals = None
    for tick, line in enumerate(done.stdout.splitlines()):
        plan = built.plan(
            problem, rng=np.random.default_rng(tick), warm_start=warm_start, proposals=proposals
        )
        np.testing.assert_allclose(
            np.reshape(json.loads(line)["actions"], plan.actions.shape), plan.actions, atol=1e-5
        )
        warm_start, proposals = shifted(plan.actions, 1), shifted(plan.elites, 1)
    assert tick == 2


def test_node_draws_its_own_noise_and_names_a_missing_input(node_planner, exported):
    given = {"latent.z": [0, 0], "goal_latent.z": [0.4, 0.1], "goal.z": [0.4, 0.1], "last_action": [0, 0]}
    done = node(node_planner, exported, given)
    assert done.returncode == 0 and np.isfinite(json.loads(done.stdout)["cost"])
    del given["goal.z"]
    done = node(node_planner, exported, given)
    assert done.returncode != 0 and "goal.z: got no numbers, wanted 2" in done.stderr
