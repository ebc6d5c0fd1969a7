"""From a bundle and the settings of a launch file to a portable planner: written, described, compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, ValueInfoProto, helper

from wm_planner import share
from wm_planner.contracts.card import Card
from wm_planner.contracts.cost import WeightedCost
from wm_planner.costs import build_costs
from wm_planner.errors import BundleError, ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.checks import check_action_kind, check_costs
from wm_planner.planners.gradient import Gradient
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable.comparison import Difference, compare
from wm_planner.portable.graph import NOISE, PROPOSALS, WARM_START, planner_graph, words
from wm_planner.portable.tracing import Noise
from wm_planner.world_models.onnx.model import LARGEST_ROLLOUT, Graph, OnnxWorldModel

MAX_ABS_ERROR = 1e-4
"""Of a plan against the Python planner's, in half ranges of the actions."""

MAX_COST_ERROR = 1e-5
"""Of its cost, where the actions differ by more: once the candidates lie so close together that rounding
decides which are elites, both planners find plans of one cost, and not the same.
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """A portable planner that was written.

    Attributes:
        inputs, outputs: name to shape and meaning.
        difference: the largest from the Python planner.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    difference: Difference


def export_planner(
    bundle: str | Path, planner: Mapping[str, Any], costs: Sequence[Mapping[str, Any]], out: Path, where: str
) -> Exported:
    """Write the whole planner as one ONNX graph to the file `out`, whole or not at all.

    Args:
        bundle: its folder, as given or on a shelf.
        planner: `{type: icem, ...}`, as in a launch file.
        costs: `[{type: latent_goal, ...}]`, as in a launch file.
        out: replaced, if it exists.
        where: the place of the settings, for errors.

    Raises:
        BundleError: for a bundle that cannot be loaded, or a graph that plans otherwise than Python.
        ConfigError: for settings that cannot be exported.
    """
    if out.is_dir():
        raise ConfigError(f"{out} is a folder, wanted a file: --out {out / 'planner.onnx'}")
    folder = share.find(bundle)
    model = OnnxWorldModel.load(folder, device="cpu")
    built = PLANNERS.build(planner, f"{where}planner")
    weighted = build_costs(costs, f"{where}costs")
    _check(built, weighted, model, folder)
    graph, noise = planner_graph(built, weighted, model.card, onnx.load(folder / "step.onnx"))
    _describe(graph, model.card, planner, costs, built, noise)
    made = graph.SerializeToString(deterministic=True)
    difference = compare(Graph(out, ["CPUExecutionProvider"], 1, made), built, weighted, model, noise)
    if not (difference.actions <= MAX_ABS_ERROR or difference.cost <= MAX_COST_ERROR):  # nor is NaN
        raise BundleError(
            f"{out}: plans differ from the Python planner's by {difference.actions:.1e} half ranges, costs "
            f"by {difference.cost:.1e}, at most {MAX_ABS_ERROR:.0e} or {MAX_COST_ERROR:.0e} is allowed; "
            "look for an operation that ndonnx translates badly"
        )
    _write(made, out)
    return Exported(_ports(graph.graph.input), _ports(graph.graph.output), difference)


def _check(planner: Any, costs: Sequence[WeightedCost], model: OnnxWorldModel, folder: Path) -> None:
    """Refuse what a graph cannot hold.

    Raises:
        ConfigError: saying what instead.
    """
    name, card = type(planner).__name__, model.card
    check_action_kind(planner.discrete, card.action.choices, name, card.name)
    check_costs(model, costs)
    if not isinstance(planner, SamplingPlanner) or planner.discrete or isinstance(planner, Gradient):
        raise ConfigError(
            f"{name} cannot be exported: a graph holds a fixed number of rounds, and no gradients or trees; "
            "take icem, cem, mppi, predictive_sampling or random_shooting"
        )
    if card.action.rate is not None:
        raise ConfigError(
            f"{card.name} limits the rate of its actions, which a portable planner does not; add the cost "
            "action_rate, and limit the rate where the plan is executed"
        )
    for cost in costs:
        if cost.limit is not None:
            raise ConfigError(
                f"cost '{cost.name}' has a limit, which a portable planner does not keep; give it a weight"
            )
        if any(need.startswith("context:objects") for need in cost.cost.requires):
            raise ConfigError(
                f"cost '{cost.name}' reads objects, whose number a graph would fix; leave it out, or take "
                "keep_out for zones that stand"
            )
    if (folder / "step.onnx").stat().st_size > LARGEST_ROLLOUT or card.graphs["step"].data_sha256:
        raise ConfigError(
            f"{card.name} is too large for one graph, at most {LARGEST_ROLLOUT / 1e6:.0f} MB are"
        )


def _describe(
    graph: ModelProto,
    card: Card,
    planner: Mapping[str, Any],
    costs: Sequence[Mapping[str, Any]],
    built: SamplingPlanner,
    noise: Noise,
) -> None:
    """Write names, units, bounds and shapes into the graph, for whoever has nothing else."""
    graph.producer_name, graph.doc_string = "wm_planner", f"{planner['type']} over {card.name}"
    for port in (*graph.graph.input, *graph.graph.output):
        port.doc_string = words(port.name, card)
    if noise.array is not None:
        rows = next(port for port in graph.graph.input if port.name == NOISE)
        rows.type.tensor_type.shape.dim[0].dim_value = noise.shape[0]
        rows.doc_string = f"{noise.kind} noise, drawn anew for every plan"
    facts = {
        "model": card.name,
        "family": card.family,
        "step_sha256": card.graphs["step"].sha256,
        "revision": share.revision(),
        "control_dt_s": card.control_dt_s,
        "horizon": built.horizon,
        "action": {name: getattr(card.action, name) for name in ("names", "units", "low", "high")},
        "noise": {"kind": noise.kind, "shape": noise.shape},
        "start": {WARM_START: [built.horizon, len(card.action.names)], PROPOSALS: [0, built.horizon]},
        "planner": planner,
        "costs": costs,
    }
    helper.set_model_props(graph, {name: _text(fact) for name, fact in facts.items()})


def _ports(ports: Sequence[ValueInfoProto]) -> dict[str, str]:
    """Shape and meaning of inputs or outputs, by name."""
    return {port.name: f"({', '.join(_sizes(port))}) {port.doc_string}" for port in ports}


def _sizes(port: ValueInfoProto) -> list[str]:
    return [str(axis.dim_param or axis.dim_value or "K") for axis in port.type.tensor_type.shape.dim]


def _text(fact: Any) -> str:
    return fact if isinstance(fact, str) else json.dumps(fact)


def _write(made: bytes, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_bytes(made)
    part.replace(out)
