"""Export of a portable planner from a bundle and the settings of a launch file."""

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
from wm_planner.data.folders import atomic_file
from wm_planner.errors import BundleError, ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.checks import check_action_kind, check_costs
from wm_planner.planners.gradient import Gradient
from wm_planner.planners.sampling import SamplingPlanner
from wm_planner.portable.comparison import Difference, compare
from wm_planner.portable.graph import NOISE, PROPOSALS, WARM_START, planner_graph, port_description
from wm_planner.portable.tracing import Noise
from wm_planner.world_models.onnx.model import LARGEST_ROLLOUT, OnnxWorldModel
from wm_planner.world_models.onnx.session import Graph

MAX_ABS_ERROR = 1e-4
"""Largest difference of actions from the Python planner's, in half ranges of the actions."""

MAX_COST_ERROR = 1e-5
"""Largest difference of costs that excuses a larger one of actions: once all candidates are so close together
that rounding decides which ones are elites, both planners find different plans of the same cost.
"""


@dataclass(frozen=True, slots=True)
class ExportedPlanner:
    """The interface of an exported planner, and its accuracy.

    Attributes:
        inputs, outputs: name to shape and meaning.
        difference: the largest difference from the Python planner.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    difference: Difference


def export_planner(
    bundle: str | Path, planner: Mapping[str, Any], costs: Sequence[Mapping[str, Any]], out: Path, where: str
) -> ExportedPlanner:
    """Write the whole planner as one ONNX graph to the file `out`, atomically.

    Args:
        bundle: path of its folder, see `share.find`.
        planner: `{type: icem, ...}`, as in a launch file.
        costs: `[{type: latent_goal, ...}]`, as in a launch file.
        out: replaced if it exists.
        where: the path of the settings in their file, for errors.

    Raises:
        BundleError: if the bundle cannot be loaded, or the graph's plans differ from the Python planner's.
        ConfigError: for settings that cannot be exported.
    """
    if out.is_dir():
        raise ConfigError(f"{out} is a folder, wanted a file: --out {out / 'planner.onnx'}")
    folder = share.find(bundle)
    model = OnnxWorldModel.load(folder, device="cpu")
    built = PLANNERS.build(planner, f"{where}planner")
    weighted = build_costs(costs, f"{where}costs")
    check_portable(built, weighted, model, folder)
    if model.card.futures > 1:
        raise ConfigError(
            f"{model.card.name} is to be planned over {model.card.futures} futures (card: futures), and a "
            "portable planner imagines one, with calm noise: plan with wm_planner itself"
        )
    graph, noise = planner_graph(built, weighted, model.card, onnx.load(folder / "step.onnx"))
    _add_metadata(graph, model.card, planner, costs, built, noise)
    serialized = graph.SerializeToString(deterministic=True)
    portable = Graph(out, ["CPUExecutionProvider"], 1, serialized)
    difference = compare(portable, built, weighted, model, noise)
    if not (difference.actions <= MAX_ABS_ERROR or difference.cost <= MAX_COST_ERROR):  # true for NaN too
        raise BundleError(
            f"{out}: plans differ from the Python planner's by {difference.actions:.1e} half ranges and "
            f"costs by {difference.cost:.1e}; at most {MAX_ABS_ERROR:.0e} or {MAX_COST_ERROR:.0e} is "
            "allowed, look for an operation that ndonnx translates incorrectly"
        )
    _write(serialized, out)
    inputs, outputs = (_describe_ports(ports) for ports in (graph.graph.input, graph.graph.output))
    return ExportedPlanner(inputs, outputs, difference)


def check_portable(planner: Any, costs: Sequence[WeightedCost], model: OnnxWorldModel, folder: Path) -> None:
    """Check that planner, costs and model can be written as one graph.

    Raises:
        ConfigError: naming an alternative.
    """
    name, card = type(planner).__name__, model.card
    check_action_kind(planner.discrete, card.action.choices, name, card.name)
    if model.note:
        raise ConfigError(f"{card.name} cannot be part of a graph: {model.note}")
    check_costs(model.card, costs)
    if not isinstance(planner, SamplingPlanner) or planner.discrete or isinstance(planner, Gradient):
        raise ConfigError(
            f"{name} cannot be exported: a graph has a fixed number of iterations and no gradients or trees; "
            "use icem, cem, mppi, predictive_sampling or random_shooting"
        )
    if card.action.rate is not None:
        raise ConfigError(
            f"{card.name} limits the rate of its actions, which a portable planner does not support; add the "
            "cost action_rate, and limit the rate where the plan is executed"
        )
    for cost in costs:
        if cost.limit is not None:
            raise ConfigError(
                f"cost '{cost.name}' has a limit, which a portable planner does not support; give it a weight"
            )
        if any(need.startswith("context:domain") for need in cost.cost.requires):
            raise ConfigError(
                f"cost '{cost.name}' reads the domain, whose shape a graph would fix; leave it out or "
                "use keep_out for static zones"
            )
    if (folder / "step.onnx").stat().st_size > LARGEST_ROLLOUT or card.graphs["step"].data_sha256:
        raise ConfigError(
            f"step.onnx of {card.name} is too large for one graph, at most "
            f"{LARGEST_ROLLOUT / 1e6:.0f} MB are allowed"
        )


def _add_metadata(
    graph: ModelProto,
    card: Card,
    planner: Mapping[str, Any],
    costs: Sequence[Mapping[str, Any]],
    built: SamplingPlanner,
    noise: Noise,
) -> None:
    """Add names, units, bounds and shapes to the graph, so that the file documents itself."""
    graph.producer_name, graph.doc_string = "wm_planner", f"{planner['type']} over {card.name}"
    for port in (*graph.graph.input, *graph.graph.output):
        port.doc_string = port_description(port.name, card)
    if noise.array is not None:
        noise_port = next(port for port in graph.graph.input if port.name == NOISE)
        noise_port.type.tensor_type.shape.dim[0].dim_value = noise.shape[0]
        noise_port.doc_string = f"{noise.kind} noise, drawn anew for every plan"
    properties = {
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
    helper.set_model_props(graph, {name: _text(value) for name, value in properties.items()})


def _describe_ports(ports: Sequence[ValueInfoProto]) -> dict[str, str]:
    """Shape and meaning of inputs or outputs, by name."""
    return {port.name: f"({', '.join(_sizes(port))}) {port.doc_string}" for port in ports}


def _sizes(port: ValueInfoProto) -> list[str]:
    return [str(axis.dim_param or axis.dim_value or "K") for axis in port.type.tensor_type.shape.dim]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _write(serialized: bytes, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as temporary:
        temporary.write_bytes(serialized)
