import msgspec
import pytest
import torch
from moving_dot import write
from torch import nn

from wm_planner.contracts.card import ObservationSpec
from wm_planner.errors import ConfigError
from wm_planner.training import loop
from wm_planner.training.clips import Clips
from wm_planner.training.module import ParameterGroup, Trainable
from wm_planner.training.optimisation import NORM, Optimisation
from wm_planner.training.processes import Processes
from wm_planner.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(
    iterations=4, cpu_seconds=60.0, batch=2, clip=2, learning_rate=0.1, weight_decay=0.0, warmup=0, anneal=0
)


class Two(Trainable):
    """Two scalars whose gradients are 30 and 4."""

    about = "Two scalars."
    observation = ObservationSpec()

    def __init__(self, groups=None):
        super().__init__()
        self.fast, self.slow = nn.Parameter(torch.zeros(1, 1)), nn.Parameter(torch.zeros(1, 1))
        self.groups = groups

    def loss(self, batch, progress, generator):
        loss = 30 * self.fast.sum() + 4 * self.slow.sum()
        return loss, {}

    def parameter_groups(self):
        return self.groups(self) if self.groups else super().parameter_groups()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return Clips([write(tmp_path_factory.mktemp("data") / "dots", seed=0, episodes=2)], 2)


def gradients_after_a_step(clips, groups=None):
    """The clipped gradients, the learning rates of the two weights, and the norm before."""
    optimisation = Optimisation(model := Two(groups), RECIPE, clips, Processes())
    norm = optimisation.iterate(0)[NORM]
    rates = {id(w): part["lr"] for part in optimisation.optimizer.param_groups for w in part["params"]}
    return [
        (weight.grad.item(), pytest.approx(rates[id(weight)])) for weight in (model.fast, model.slow)
    ], norm


def test_a_model_without_groups_is_clipped_as_a_whole(clips):
    (fast, slow), norm = gradients_after_a_step(clips)
    assert norm == pytest.approx(30.265, abs=1e-3)
    assert fast == (pytest.approx(30 / 30.265, abs=1e-3), 0.1)
    assert slow == (pytest.approx(4 / 30.265, abs=1e-3), 0.1)


def test_a_group_has_its_own_learning_rate_and_clipping(clips):
    def groups(model):
        return [
            ParameterGroup([model.fast]),
            ParameterGroup([model.slow], learning_rate=0.5, max_gradient_norm=2.0),
        ]

    (fast, slow), norm = gradients_after_a_step(clips, groups)
    assert norm == pytest.approx(30.265, abs=1e-3)
    assert fast == (pytest.approx(1.0, abs=1e-3), 0.1)
    assert slow == (pytest.approx(2.0, abs=1e-3), 0.05)


@pytest.mark.parametrize("names", [("fast",), ("fast", "slow", "slow")])
def test_groups_must_hold_every_weight_once(clips, names):
    with pytest.raises(ConfigError, match=r"wanted each of the 2 trained weights once"):
        gradients_after_a_step(clips, lambda m: [ParameterGroup([getattr(m, n) for n in names])])


def test_weight_decay_can_be_limited_to_matrices(clips):
    recipe = msgspec.structs.replace(RECIPE, weight_decay=0.5, decayed="matrices")
    model = Two()
    model.slow = nn.Parameter(torch.zeros(1))
    decayed, exempt = Optimisation(model, recipe, clips, Processes()).optimizer.param_groups
    assert [weight.ndim for weight in decayed["params"]] == [2]
    assert [weight.ndim for weight in exempt["params"]] == [1]
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.5, 0.0)


CONCLUDING = """
import torch
from torch import nn
from wm_planner.contracts.card import ObservationSpec
from wm_planner.training.module import Trainable
from wm_planner.training.recipe import TrainingRecipe

RECIPES = {"small": TrainingRecipe(iterations=3, cpu_seconds=60.0, batch=2, clip=2)}


def build(recipe, data):
    return Counting()


class Counting(Trainable):
    about = "Counts how often it is concluded."
    observation = ObservationSpec()

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("concluded", torch.zeros(()))

    def loss(self, batch, progress, generator):
        assert not self.concluded
        return self.weight.sum(), {}

    def conclude(self, clips):
        assert len(next(clips)["action"]) == 2
        self.concluded += 1
"""


def test_a_model_is_concluded_once_after_the_last_iteration(tmp_path):
    (tmp_path / "model.py").write_text(CONCLUDING)
    write(tmp_path / "dots", seed=0, episodes=2)

    def concluded(**more):
        folder = tmp_path / "run"
        quiet = {"report": lambda progress: None}
        loop.train(tmp_path / "model.py", [tmp_path / "dots"], folder, "small", {}, **quiet, **more)
        return torch.load(folder / "checkpoint.pt", weights_only=True)["model"]["concluded"].item()

    assert concluded(stage=loop.Stage("", 2)) == 0
    assert concluded() == 1
    assert concluded() == 1
