"""Energy landscapes: a model's cost as a function of the action, around a recorded action.

The cost is that of one step to the next recorded frame, on a grid of two action components; the others are as
recorded. A model that predicts the effect of actions has its minimum at the recorded action.

Source: facebookresearch/vjepa2, notebooks/energy_landscape_example.ipynb; differs in that the grid spans the
card's bounds, within which the model was trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from wm_planner.contracts.card import ActionSpec, Card
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.dataset import Dataset
from wm_planner.contracts.world_model import WorldModel
from wm_planner.costs.distance import Metric
from wm_planner.costs.latent import LatentGoal
from wm_planner.errors import ConfigError, did_you_mean
from wm_planner.evaluation.model_quality.pairs import Pair, spread_pairs
from wm_planner.evaluation.statistics import Rate, rate
from wm_planner.planners.problem import Problem
from wm_planner.terminal import table

FIGURES_FILE, PLOT_FILE = "energy.json", "energy.png"
CELLS = 11

Plane = tuple[int, int]
"""Indices of two action components."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """The cost on one plane of actions.

    Attributes:
        names, units: names and units of the two components.
        values: grid values of both components, (2, n), in their units.
        cost: cost of every cell, (n, n), with the first component along the rows; lower is better.
        recorded, lowest: cells of the recorded action and of the lowest cost.
    """

    names: tuple[str, str]
    units: tuple[str, str]
    values: NDArray[np.float64]
    cost: NDArray[np.float64]
    recorded: tuple[int, int]
    lowest: tuple[int, int]

    @property
    def offset(self) -> tuple[int, int]:
        """Offset of the minimum from the recorded action, in cells."""
        return self.lowest[0] - self.recorded[0], self.lowest[1] - self.recorded[1]

    @property
    def is_near(self) -> bool:
        """Whether the minimum is within one cell of the recorded action, also diagonally."""
        return max(abs(step) for step in self.offset) <= 1


def planes(action: ActionSpec, named: Sequence[str] = ()) -> list[Plane]:
    """Planes by name, e.g. "dx,dy", by default all pairs of the first three components.

    Raises:
        ConfigError: for a component that does not exist, or an action with one component.
    """
    chosen = []
    for text in named:
        pair = text.split(",")
        for name in pair:
            if name not in action.names:
                raise ConfigError(f"axes {text}: no component '{name}', {did_you_mean(name, action.names)}")
        if len(set(pair)) != 2:
            raise ConfigError(f"axes {text}: wanted two components, e.g. --axes {','.join(action.names[:2])}")
        chosen.append((action.names.index(pair[0]), action.names.index(pair[1])))
    pairs = chosen or list(combinations(range(min(3, len(action.names))), 2))
    if not pairs:
        raise ConfigError(f"actions have one component, {action.names[0]}: a landscape needs two")
    return pairs


def landscapes(
    model: WorldModel, pair: Pair, over: Sequence[Plane], cells: int = CELLS, metric: Metric = "l1"
) -> list[Landscape]:
    """The landscapes of the model's representation on some planes, with `cells` x `cells` actions each."""
    cost = LatentGoal(LatentGoal.Config(array=model.card.representation, metric=metric, mean_weight=0.0))
    goal = Context(goal_latent=model.encode(pair.after))
    problem = Problem(model, model.encode(pair.before), (WeightedCost("energy", cost),), goal)
    return [_landscape(problem, pair.action, plane, cells) for plane in over]


def _landscape(problem: Problem, recorded: NDArray[np.float32], plane: Plane, cells: int) -> Landscape:
    action = problem.model.card.action
    grids = [_grid(action.low[i], action.high[i], float(recorded[i]), cells) for i in plane]
    values = np.stack([grid for grid, _ in grids])  # (2, n)
    actions = np.tile(recorded.astype(np.float64), (cells, cells, 1))  # (n, n, A)
    actions[..., plane[0]] = values[0][:, None]
    actions[..., plane[1]] = values[1]
    cost = problem.evaluate(actions.reshape(cells * cells, 1, -1)).total.reshape(cells, cells)
    lowest = divmod(int(cost.argmin()), cells)
    names, units = ((text[plane[0]], text[plane[1]]) for text in (action.names, action.units))
    return Landscape(names, units, values, cost, (grids[0][1], grids[1][1]), lowest)


def _grid(low: float, high: float, recorded: float, cells: int) -> tuple[NDArray[np.float64], int]:
    """Grid values from low to high, shifted so that `recorded` is one of them, and the index of `recorded`.

    The shift is at most half a cell, unless `recorded` is out of bounds.
    """
    cell = (high - low) / (cells - 1)
    index = int(np.clip(round((recorded - low) / cell), 0, cells - 1))
    steps = np.arange(cells, dtype=np.float64) - index
    return np.float64(recorded) + steps * np.float64(cell), index


def near_minima(
    model: WorldModel, data: Dataset, states: int, cells: int = CELLS, named: Sequence[str] = ()
) -> dict[tuple[str, str], Rate]:
    """The rate of states whose minimum is near the recorded action, by plane.

    Args:
        states: number of states, evenly spread over the data.
        named: planes, see `planes`.
    """
    over = planes(model.card.action, named)
    by_state = [landscapes(model, pair, over, cells) for pair in spread_pairs(data, model.card, states)]
    return {
        each[0].names: rate(sum(landscape.is_near for landscape in each), len(each))
        for each in zip(*by_state, strict=True)
    }


def warning(card: Card) -> str | None:
    """A warning if the weights may be random; None if the card names training data."""
    if card.training is not None and card.training.data:
        return None
    return f"the card of {card.name} names no training data: with random weights, landscapes mean nothing"


def landscape_table(title: str, drawn: Sequence[Landscape]) -> Table:
    """The positions of the minima as a table."""
    result = table(title, "plane", "offset of minimum", "lowest cost", "cost of recorded", "highest cost")
    for each in drawn:
        costs = each.cost.min(), each.cost[each.recorded], each.cost.max()
        offset = ", ".join(f"{step:+d} {name}" for step, name in zip(each.offset, each.names, strict=True))
        result.add_row(" x ".join(each.names), offset, *(f"{cost:.4g}" for cost in costs))
    return result


def write_figures(folder: Path, model: str, source: str, drawn: Sequence[Landscape]) -> Path:
    """Write the landscapes as `energy.json`."""
    plain = [msgspec.to_builtins(each, enc_hook=np.ndarray.tolist) for each in drawn]
    entries = [{**values, "offset": each.offset} for values, each in zip(plain, drawn, strict=True)]
    document = {"model": model, "pair": source, "landscapes": entries}
    path = folder / FIGURES_FILE
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=0))
    return path


def plot(folder: Path, title: str, drawn: Sequence[Landscape]) -> Path:
    """Plot the landscapes as `energy.png`, with a cross at the recorded action and a ring at the minimum."""
    from matplotlib.figure import Figure  # takes a second to import, and only plots need it

    figure = Figure(figsize=(4.2 * len(drawn), 4), layout="constrained")
    figure.suptitle(title, fontsize=9)
    for axes, each in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
        mesh = axes.pcolormesh(each.values[1], each.values[0], each.cost, shading="nearest", cmap="viridis")
        figure.colorbar(mesh, ax=axes, shrink=0.8)
        for (row, column), mark, colour in ((each.recorded, "+", "white"), (each.lowest, "o", "red")):
            point = each.values[1, column], each.values[0, row]
            axes.plot(*point, mark, color=colour, markersize=14, fillstyle="none", markeredgewidth=2)
        labels = [f"{name} [{unit}]" for name, unit in zip(each.names, each.units, strict=True)]
        axes.set(xlabel=labels[1], ylabel=labels[0])
    path = folder / PLOT_FILE
    figure.savefig(path, dpi=120)
    return path
