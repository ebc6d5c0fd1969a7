"""Training with interaction: collect with the current model, train on all data so far, and repeat."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from wm_planner.collection.base import ActionsPlayer, explorer_of
from wm_planner.collection.collect import CollectConfig, check_share, collect, meta_of
from wm_planner.collection.planned_actions import GOAL_LATENT, PlannedActions
from wm_planner.collection.practice_config import PracticeConfig
from wm_planner.config import setting
from wm_planner.contracts.card import TrainingRecord
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.dataset import COLLECTION_SEEDS, REWARD, Meta
from wm_planner.contracts.task import goal_of
from wm_planner.costs import build_costs
from wm_planner.data.episode_writer import EpisodeWriter
from wm_planner.data.episodes import EpisodeData, read_meta
from wm_planner.data.forms import open_dataset
from wm_planner.errors import BundleError, ConfigError, DatasetError, SimulationError
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.plugins import spec_of
from wm_planner.training import loop
from wm_planner.training.checkpoint import RunFolder
from wm_planner.training.data_spec import check_reader, spec_of_meta
from wm_planner.training.module import TrainableModel, load_model_file
from wm_planner.training.recipe import changed
from wm_planner.training.torch_model import TorchWorldModel
from wm_planner.training.trained import model_card

SEEDS = 100_000
"""Distance between the first episodes of practices with consecutive seeds."""

REASON = "every first action would break a limit"


class Round(NamedTuple):
    """The result of one round.

    Attributes:
        number: 0 for the first one.
        mean_return: sum of the rewards of an episode, averaged over those that it collected; NaN without
            rewards or episodes.
        held_back: number of explored actions that would have broken a limit.
        progress: of the training.
    """

    number: int
    mean_return: float
    held_back: int
    progress: loop.Progress


class Listeners(NamedTuple):
    """Functions that are told about a practice; see `loop.train`."""

    on_round: Callable[[Round], None] = lambda each: None
    report: Callable[[loop.Progress], None] = lambda progress: None
    on_iteration: Callable[[int, int], None] = lambda done, total: None
    warn: Callable[[str], None] = print


QUIET = Listeners()


def practise(config: PracticeConfig, out: Path, listeners: Listeners = QUIET) -> loop.Progress:
    """Practise in folder `out`, or continue there after an interruption, with the same result.

    The folder is that of a training run, and holds one data set per round, data00, data01, ... The schedule
    of the recipe spans all rounds: each has a share of the iterations in proportion to its episodes.

    Returns:
        The final progress; `reached_cpu_limit` if the training stopped early.

    Raises:
        ConfigError: if simulator, model, planner and costs do not fit together.
        BundleError, DatasetError: if `out` holds anything else, or the data lack what the model learns from.
        SimulationError: if the simulator cannot run here, or its explorer plays no given actions.
        TrainingError: if the loss diverges.
    """
    practice = _Practice(config, out)
    for index in range(practice.first_round(), config.rounds + 1):
        held_back = practice.collect(index)
        progress = practice.train(index, listeners)
        listeners.on_round(Round(index, practice.mean_return(index), held_back, progress))
        if progress.reached_cpu_limit:
            break
    return progress


class _Practice:
    """A practice whose settings have been checked, and its folder."""

    def __init__(self, config: PracticeConfig, out: Path) -> None:
        self.config, self.out = config, out
        self.explorer = explorer_of(config.simulator)
        if not isinstance(self.explorer, ActionsPlayer):
            raise SimulationError(
                f"{config.simulator}: {type(self.explorer).__name__} has no method `play`, by which a model "
                "acts in it, so that it can only be explored (wm collect); derive explorers of your own from "
                "wm_planner.collection.RandomExplorer"
            )
        self.player: ActionsPlayer = self.explorer
        self.changes = dict(map(setting, config.changes))
        self.file = load_model_file(config.model_file)
        self.recipe = changed(self.file.recipe(config.recipe), self.changes, f"recipe {config.recipe}")
        self.seed = COLLECTION_SEEDS + SEEDS * self.recipe.seed
        self.given = [open_dataset(folder) for folder in config.data]
        self.planner = PLANNERS.build(spec_of(config.planner, "--planner"), "--planner")
        self.mpc = RecedingHorizon.Config(proposals=config.proposals)
        self._check_model()
        self._check_folder()

    def _check_model(self) -> None:
        """Build the model that will be trained, and check that it can be used as configured."""
        config = self.config
        meta = self._meta(self.seed)
        network = self.file.build(self.recipe, spec_of_meta(meta))
        check_reader(spec_of_meta(meta), network, config.simulator)
        if not isinstance(network, TrainableModel) or self.recipe.stride > 1:
            raise ConfigError(
                f"{config.model_file} cannot practise: wanted a world model that predicts every single step "
                "(stride 1)"
            )
        if network.action is not None or network.control_dt_s is not None:
            raise ConfigError(
                f"{config.model_file} does not act in the actions of {config.simulator}, or not at its rate, "
                "and so cannot collect there: train it with `wm train`"
            )
        self.costs = self._costs(network)
        if config.first_episodes and any(cost.limit for cost in self.costs):
            raise ConfigError(
                "--cost: there is a limit, which random episodes would not keep, because no model has been "
                "trained before them: give --first-episodes 0 and --data instead"
            )
        if not config.first_episodes and not config.data:
            raise ConfigError("--first-episodes is 0: give --data to train on before the model acts")
        record = TrainingRecord(command=(), revision="", recipe={})
        card = model_card(network, "practice", config.model_file, spec_of_meta(meta), {}, record)
        RecedingHorizon.check(self.mpc, self.planner, card, self.costs)

    def _costs(self, network: TrainableModel) -> tuple[WeightedCost, ...]:
        """What the planner minimises: the given costs; by default reward and value, or the latent goal.

        Raises:
            ConfigError: if they need what a practice does not have.
        """
        has_goal = self._shows_goal(network)
        specs = [spec_of(text, "--cost") for text in self.config.costs]
        specs = specs or [{"type": name} for name in ("reward", "value") if name in network.capabilities]
        costs = build_costs(specs or [{"type": "latent_goal"}] * has_goal, "--cost")
        needs = {need for cost in costs for need in cost.cost.requires if need.startswith("context:")}
        if not costs or needs - ({GOAL_LATENT} if has_goal else set()):
            offered = "outputs and latents, e.g. reward" + ", and of the goal's latent" * has_goal
            raise ConfigError(
                f"--cost: wanted costs of the model's {offered}; there is no other context in practice, got "
                f"{', '.join(sorted(needs)) or 'none'}"
            )
        return costs

    def _shows_goal(self, network: TrainableModel) -> bool:
        """Whether the model can encode the goals of the simulator."""
        self.player.simulator.reset(self.seed)
        goal, seen = goal_of(self.player.simulator), network.observation
        if seen.cameras:
            return set(seen.cameras) <= set(goal.images)
        return {quantity.name for quantity in seen.state} <= set(goal.state)

    def _check_folder(self) -> None:
        """Refuse the folder of anything else, before something is written."""
        run = RunFolder(self.out)
        if run.exists and run.spec().practice != self.config.command:
            raise BundleError(
                f"{self.out} holds another training run: {run.spec().practice or 'wm train'}, not "
                f"{self.config.command}; choose another folder, or remove this one to start over"
            )
        for index in range(self.config.rounds + 1):
            folder = self._folder(index)
            if folder.exists() and read_meta(folder).scene != self.config.simulator:
                raise DatasetError(
                    f"{folder} holds data of {read_meta(folder).scene}, not of {self.config.simulator}; "
                    "choose another folder"
                )

    def collect(self, index: int) -> int:
        """Collect the data of a round, if they are not there yet.

        Returns:
            The number of explored actions that would have broken a limit.
        """
        config, folder = self.config, self._folder(index)
        if folder.exists() or (index == 0 and not config.first_episodes):
            return 0
        if index == 0:
            first = self.seed - COLLECTION_SEEDS
            settings = CollectConfig(
                scene=config.simulator,
                episodes=config.first_episodes,
                steps=config.steps,
                seed=first,
                jobs=1,
            )
            collect(settings, folder)
            return 0
        model = TorchWorldModel.of_run(self.out)
        actions = PlannedActions(model, self.planner, self.mpc, self.costs, config.noise)
        last = self._folder(index - 1)
        before = read_meta(last) if last.exists() else None
        seed = before.first_seed + before.seeds_tried if before else self.seed
        with EpisodeWriter(folder, self._meta(seed)) as writer:
            tried, rejected = 0, Counter[str]()
            while writer.episodes < config.episodes:
                actions.start(seed + tried)
                episode = self.player.play(seed + tried, config.steps, actions)
                tried += 1
                if episode is not None:
                    writer.add(episode)
                else:
                    rejected[self.explorer.reason if actions.executed else REASON] += 1
                check_share(config.simulator, " and ".join(rejected), writer.episodes, tried)
            writer.finish(tried, dict(rejected))
        return actions.held_back

    def train(self, index: int, listeners: Listeners) -> loop.Progress:
        """Train on the data of the rounds up to this one, until its share of the schedule is done."""
        config = self.config
        folders = [self._folder(i) for i in range(index + 1)]
        return loop.train(
            config.model_file,
            [*config.data, *(folder for folder in folders if folder.exists())],
            self.out,
            config.recipe,
            self.changes,
            report=listeners.report,
            on_iteration=listeners.on_iteration,
            warn=listeners.warn,
            stage=loop.Stage(config.command, self._until(index)),
        )

    def first_round(self) -> int:
        """The first round whose training is not finished, or the last one."""
        iteration = RunFolder(self.out).position.iteration
        rounds = range(self.config.rounds)
        return next((index for index in rounds if iteration < self._until(index)), self.config.rounds)

    def _until(self, index: int) -> int:
        """The iteration at which the training of a round ends."""
        config = self.config
        first = config.first_episodes + sum(data.meta.episodes for data in self.given)
        done, total = (first + count * config.episodes for count in (index, config.rounds))
        return round(self.recipe.iterations * done / total)

    def mean_return(self, index: int) -> float:
        """See `Round`."""
        if not self._folder(index).exists():
            return math.nan
        data = EpisodeData.open(self._folder(index))
        if REWARD.name not in data.signals:
            return math.nan
        return float(data.signals[REWARD.name].sum(dtype=np.float64)) / data.meta.episodes

    def _folder(self, index: int) -> Path:
        return self.out / f"data{index:02d}"

    def _meta(self, seed: int) -> Meta:
        """What the data of a round hold whose first episode has this seed."""
        config = self.config
        meta = meta_of(config.simulator, self.explorer, config.episodes, config.steps, seed)
        return msgspec.structs.replace(meta, practice=config.command)
