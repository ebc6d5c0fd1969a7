import msgspec
import numpy as np
import pytest
import torch
from point_mass import PointMass, action_spec

from wm_planner.collection.base import explorer_of
from wm_planner.collection.planned_actions import PlannedActions
from wm_planner.collection.practice import Listeners, practise
from wm_planner.collection.practice_config import PracticeConfig
from wm_planner.contracts.cost import Limit, WeightedCost
from wm_planner.contracts.observation import Observation
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import BundleError, ConfigError, DatasetError, SimulationError
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.training.trained import training_commands

SLIDER = "tests/support/slider.py:Slider"
TINY = PracticeConfig(
    model_file="models/tdmpc2.py",
    simulator=SLIDER,
    recipe="small",
    changes=("iterations=12", "batch=4", "hidden=8", "latent=8", "anneal=1"),
    rounds=2,
    first_episodes=2,
    steps=12,
)


def changed(**values):
    return msgspec.structs.replace(TINY, **values)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished practice, and what it reported."""
    folder, rounds = tmp_path_factory.mktemp("practice") / "run", []
    practise(TINY, folder, Listeners(on_round=rounds.append))
    return folder, rounds


def weights(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["model"]


def episodes(folder, name):
    return EpisodeData.open(folder / name)


def test_each_round_adds_data_and_has_its_share_of_the_schedule(run):
    folder, rounds = run
    assert [each.progress.iteration for each in rounds] == [6, 9, 12]
    data = [episodes(folder, name) for name in ("data00", "data01", "data02")]
    assert [each.meta.episodes for each in data] == [2, 1, 1]
    assert [each.meta.first_seed for each in data] == [1_000_000, 1_000_002, 1_000_003]
    returns = [float(each.signals["reward"].sum()) / each.meta.episodes for each in data]
    assert [each.mean_return for each in rounds] == pytest.approx(returns)


def test_the_first_round_is_what_wm_collect_records(run, tmp_path):
    data = episodes(run[0], "data00")
    for index in range(2):
        wanted = explorer_of(SLIDER).episode(1_000_000 + index, 12)
        rows = data.episode == index
        np.testing.assert_array_equal(data.action[rows], wanted.action)
        np.testing.assert_array_equal(data.signals["reward"][rows], wanted.signals["reward"])


class InterruptedPracticeError(Exception):
    """Raised from a report, like KeyboardInterrupt."""


@pytest.mark.parametrize("after", [0, 1])
def test_an_interrupted_practice_continues_to_the_same_weights_and_data(run, tmp_path, after):
    def interrupt(each):
        if each.number == after:
            raise InterruptedPracticeError

    with pytest.raises(InterruptedPracticeError):
        practise(TINY, tmp_path / "run", Listeners(on_round=interrupt))
    torch.manual_seed(99)
    practise(TINY, tmp_path / "run")
    whole, parts = weights(run[0]), weights(tmp_path / "run")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    for name in ("data01", "data02"):
        np.testing.assert_array_equal(episodes(run[0], name).action, episodes(tmp_path / "run", name).action)


def test_the_command_of_a_run_is_the_practice(run):
    folder, _ = run
    (command,) = training_commands(folder)
    assert command == (
        f"wm practise models/tdmpc2.py {SLIDER} --recipe small --set iterations=12 --set batch=4 "
        "--set hidden=8 --set latent=8 --set anneal=1 --rounds 2 --first-episodes 2 --steps 12 "
        f"--out {folder}"
    )
    assert episodes(folder, "data01").meta.command(str(folder / "data01")) == command


def test_a_folder_with_another_practice_or_training_is_refused(run):
    with pytest.raises(BundleError, match=r"holds another training run: .*--rounds 2.* not .*--rounds 3"):
        practise(changed(rounds=3), run[0])


def test_practice_starts_from_given_data(run, tmp_path):
    config = changed(first_episodes=0, data=(str(run[0] / "data00"),), rounds=1)
    rounds = []
    practise(config, tmp_path / "run", Listeners(on_round=rounds.append))
    assert [each.progress.iteration for each in rounds] == [8, 12]
    assert np.isnan(rounds[0].mean_return)
    assert sorted(path.name for path in (tmp_path / "run").glob("data*")) == ["data01"]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"simulator": "tests/support/slider.py:Silent"}, DatasetError, "Silent has no 'reward', which this"),
        ({"simulator": "sim/drive_merge.xml"}, SimulationError, "TrafficExplorer has no method `play`"),
        ({"changes": ("stride=2",)}, ConfigError, "cannot practise"),
        ({"planner": "mcts,horizon=3"}, ConfigError, "discrete"),
        ({"proposals": "policy", "planner": "mppi,horizons=3"}, ConfigError, "horizons"),
        ({"costs": ("latent_goal",)}, ConfigError, "no other context in practice, got context:goal_latent"),
        ({"costs": ("uncertainty",)}, ConfigError, "output:uncertainty"),
        ({"costs": ("reward,limit={at_most: 1}",)}, ConfigError, "random episodes would not keep"),
        ({"first_episodes": 0}, ConfigError, "give --data"),
        ({"changes": ("batches=3",)}, ConfigError, "batches"),
        ({"changes": ("latent=9",)}, ConfigError, "wanted a multiple of simplex, 8"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path, values, error, message):
    with pytest.raises(error, match=message):
        practise(changed(**values), tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Beyond:
    """How far the last position is beyond `limit`."""

    requires = frozenset({"latent:z"})

    def __call__(self, rollout, actions, context):
        return rollout.latents["z"][:, -1, 0]


def explorer(limit, noise, low=-1.0):
    model = PointMass(action_spec(1, low=low))
    planner = PLANNERS.build({"type": "random_shooting", "horizon": 2, "samples": 16}, "planner")
    costs = [
        WeightedCost("far", Further(), 1.0),
        WeightedCost("beyond", Beyond(), limit=Limit(at_most=limit)),
    ]
    return PlannedActions(model, planner, RecedingHorizon.Config(), costs, noise)


class Further:
    """Lower the further it gets."""

    requires = frozenset({"latent:z"})

    def __call__(self, rollout, actions, context):
        return -rollout.latents["z"][:, -1, 0]


NO_GOAL = Observation({})


def at(position):
    return Observation({}, {"position": np.array([position])})


def test_an_action_whose_imagined_rollout_breaks_a_limit_is_not_executed():
    actions = explorer(limit=1.0, noise=2.0)
    for tick in range(40):
        if not tick % 4:
            actions.start(tick)
        executed = actions(at(0.9), NO_GOAL)
        assert executed is not None
        assert 0.9 + executed[0] <= 1.0 + 1.0  # the second action can undo at most 1
    assert actions.held_back > 0


def test_an_episode_ends_where_every_action_would_break_a_limit():
    actions = explorer(limit=1.0, noise=0.5, low=-0.1)
    actions.start(0)
    assert actions(at(5.0), NO_GOAL) is None


def test_noise_depends_on_the_episode_alone():
    actions = explorer(limit=10.0, noise=0.5)
    played = []
    for seed in (3, 4, 3):
        actions.start(seed)
        played.append([actions(at(0.0), NO_GOAL)[0] for _ in range(5)])
    assert played[0] == played[2] != played[1]


@pytest.mark.parametrize("simulator", ["sim/panda_reach.py", "sprites,size_px=16"])
def test_a_model_of_pictures_practises_towards_the_goals_of_arms_and_yards(tmp_path, simulator):
    size = ("picture=16", "encoder.channels=[4,4]", "encoder.latent=4", "encoder.hidden=8")
    config = PracticeConfig(
        model_file="models/ac_jepa.py",
        simulator=simulator,
        recipe="small",
        changes=("iterations=2", "batch=2", "clip=3", *size),
        rounds=1,
        first_episodes=1,
        steps=4,
        planner="cem,horizon=1,samples=4,elites=2,iterations=1",
    )
    rounds = []
    practise(config, tmp_path / "run", Listeners(on_round=rounds.append))
    data = episodes(tmp_path / "run", "data01")
    assert len(data.action) == 5 and np.abs(data.action[:4]).max() > 0
    assert rounds[1].mean_return == pytest.approx(float(data.signals["reward"].sum()))
    assert -20 < rounds[1].mean_return < 0


def test_a_model_of_states_practises_for_the_reward_of_a_scene(tmp_path):
    cartpole = changed(simulator="sim/cartpole.py", rounds=1, first_episodes=1, steps=6, data=())
    rounds = []
    practise(cartpole, tmp_path / "run", Listeners(on_round=rounds.append))
    assert (
        np.isfinite(rounds[1].mean_return)
        and not episodes(tmp_path / "run", "data01").signals["terminated"].any()
    )


def test_a_practice_that_would_break_its_limits_everywhere_is_stopped(run, tmp_path):
    limited = changed(
        first_episodes=0, data=(str(run[0] / "data00"),), costs=("reward,limit={at_most: -1000000.0}",)
    )
    with pytest.raises(
        DatasetError, match=r"64 of 64 episodes were rejected \(every first action would break"
    ):
        practise(limited, tmp_path / "run")


def test_actions_that_are_held_back_are_reported_per_round(run, tmp_path):
    limited = changed(
        first_episodes=0,
        data=(str(run[0] / "data00"),),
        rounds=1,
        costs=("reward", "effort,limit={at_most: 0.01}"),
        planner="cem,horizon=1,samples=4,elites=2,iterations=1",
    )
    rounds = []
    practise(limited, tmp_path / "run", Listeners(on_round=rounds.append))
    assert rounds[0].held_back == 0 and rounds[1].held_back > 6
    assert np.abs(episodes(tmp_path / "run", "data01").action).max() <= 0.1 * 1.5  # of half the range
