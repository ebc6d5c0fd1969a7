from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from wm_planner import share
from wm_planner.bench.measurements import physics as b
from wm_planner.cli.bench import app
from wm_planner.errors import ConfigError, PluginError
from wm_planner.evaluation.closed_loop.episode_log import EpisodeLog
from wm_planner.evaluation.closed_loop.episodes import EpisodeResult, run_episode
from wm_planner.evaluation.closed_loop.physics_task import PhysicsTask
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene

TASKS = [name.removesuffix(".yaml") for name in share.listing("sim", ".yaml")]
QUICK = ["planner.horizon=2", "planner.samples=8", "planner.elites=4", "planner.iterations=1"]


def first_steps(name, changes=(), steps=3):
    task = PhysicsTask.load(name, changes)
    simulator = MujocoSimulator(load_scene(task.scene))
    result = run_episode(simulator, task(simulator), seed=5, steps=steps)
    simulator.close()
    return result


@pytest.mark.parametrize("name", TASKS)
def test_episode_is_bit_identical_with_any_number_of_threads(name):
    changes = [] if name == "cartpole" else ["planner.iterations=1"]
    runs = [first_steps(name, [*changes, f"physics.threads={threads}"]) for threads in (1, 1, 2)]
    assert len({run.distances.tobytes() for run in runs}) == 1


def test_every_scene_has_a_task():
    scenes = {name.removesuffix(".py") for name in share.listing("sim", ".py")}
    assert set(TASKS) == {
        scene for scene in scenes if not scene.startswith("franka_droid")
    }  # for learned models
    for name in TASKS:
        assert PhysicsTask.load(name).scene == f"sim/{name}.py"


def test_unmodified_task_differs_only_in_its_physics():
    task = PhysicsTask.load("panda_pick", ["physics.threads=2"])
    plain = task.unmodified()
    assert plain.physics.planning_model.summary == "as it is"
    assert plain.physics.threads == 2
    assert (plain.planner, plain.costs, plain.steps) == (task.planner, task.costs, task.steps)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("planner.horizon", "wanted field=value"),
        ("steps.more=1", "steps has no fields to set"),
        ("steps.more.still=1", "no fields to set"),
        ("steps=[1", "not valid YAML"),
        ("planner.horizon=0", "horizon is 0"),
        ("=3", "wanted field=value"),
        (".=3", "wanted field=value"),
        ("costs.0.weight=3", r"costs is a list, set it as a whole: --set 'costs="),
        ("costs=[]", r"cartpole.yaml: costs are empty"),
        ("mpc.replan_every=500", "lower replan_every or raise the horizon"),
        ("physics.planning_model.drop=[sensor]", "did you mean 'sensors'"),
        ("physics.thread=2", "unknown key 'thread', did you mean 'threads'"),
    ],
)
def test_invalid_change_is_an_error_with_a_reason(change, reason):
    with pytest.raises(ConfigError, match=reason):
        PhysicsTask.load("cartpole", [change])


def test_two_tasks_with_the_same_stem_both_run(tmp_path, monkeypatch):
    tables = {}
    monkeypatch.setattr(b, "physics_tables", lambda tasks, *rest: tables.update(tasks) or [])
    text = share.find("sim/cartpole.yaml").read_text()
    names = [str(tmp_path / folder / "cartpole.yaml") for folder in ("a", "b")]
    for name in names:
        Path(name).parent.mkdir()
        Path(name).write_text(text)
    assert CliRunner().invoke(app, ["physics", "panda_reach", *names]).exit_code == 0
    assert set(tables) == {"panda_reach", *names}


def test_log_path_that_cannot_be_written_is_an_error_at_once(tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "log.jsonl"):
        with pytest.raises(ConfigError, match="wanted a file in a folder that exists"):
            EpisodeLog(path)


def test_unknown_task_is_an_error_with_the_closest_name():
    with pytest.raises(PluginError, match=r"did you mean 'sim/cartpole.yaml'"):
        PhysicsTask.load("cartpol")


def test_solved_requires_staying_at_the_goal():
    scene = load_scene("sim/panda_reach.py")  # five control periods per second, radius of 5 cm
    inside, outside = [0.04] * 5, [0.06]
    for distances, solved in (
        (outside + inside, True),
        (inside + outside, False),
        (inside[1:] + outside + inside[1:], False),
    ):
        assert b.solved(EpisodeResult(0, np.array(distances), np.zeros(1)), scene) is solved


def test_bare_physics_counts_all_rollouts_of_a_plan():
    task = PhysicsTask.load("panda_reach", QUICK)
    row = b.overhead_row("reach", task, plans=2)
    assert row.same
    assert row.rollouts == 10  # the samples, the warm start, the last mean
    assert row.physics_steps == 2 * 20
    assert 0 < row.bare_s < row.plan_s


def test_first_change_row_is_the_unmodified_scene():
    rows = list(b.change_rows(PhysicsTask.load("panda_push"), repeats=1))
    assert [row.change for row in rows] == ["as it is", "steps of 10 ms"]
    assert rows[0].second_s > 2 * rows[1].second_s > 0


def test_arm_reaches_with_a_coarser_model_and_resumes_from_its_log(tmp_path):
    changes = ["planner.horizon=2", "planner.samples=24", "planner.iterations=2", "steps=20"]
    task, log = PhysicsTask.load("panda_reach", changes), EpisodeLog(tmp_path / "log.jsonl")
    row = b.solved_row("reach", task, range(1), log, workers=1)
    assert str(row.solved).startswith("1/1")
    assert b.solved_row("reach", task, range(1), EpisodeLog(tmp_path / "log.jsonl"), workers=1) == row
    assert row.median_m < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cartpole", "panda_push", "panda_pick"])
def test_physics_solves_the_task(name):
    row = b.solved_row(name, PhysicsTask.load(name), range(200, 204), EpisodeLog(None), workers=2)
    assert row.solved.successes >= 3


def test_command_prints_its_tables():
    arguments = [
        "physics",
        "cartpole",
        "--episodes",
        "1",
        "--plans",
        "1",
        "--workers",
        "1",
        "--set",
        "steps=30",
    ]
    result = CliRunner().invoke(app, arguments + [part for change in QUICK for part in ("--set", change)])
    assert result.exit_code == 0, result.output
    for text in ("identical", "yes", "cartpole, steps of 10 ms", "cartpole, as it is", "0/1"):
        assert text in result.output
