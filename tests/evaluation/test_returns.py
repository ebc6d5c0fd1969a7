"""Episodes of a glider whose speed no observation shows."""

from functools import partial

import numpy as np
import pytest
import yaml
from glider import write_glider
from gliding import Gliding
from typer.testing import CliRunner

from wm_planner.cli.main import app
from wm_planner.evaluation.closed_loop.actors import Planned, RandomActor
from wm_planner.evaluation.closed_loop.returns import return_row, run_episode, run_episodes

PLANNER = {"type": "cem", "horizon": 6, "samples": 64, "elites": 8, "iterations": 4}
COSTS = [{"type": "reward", "discount": 1.0}]
SIMULATOR = {"type": "tests/support/gliding.py:Gliding"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glider") / "glider"
    write_glider(folder)
    return str(folder)


def row(actor, episodes=6):
    results = run_episodes(SIMULATOR, actor, range(episodes), steps=20, workers=1)
    return return_row("row", "gliding", 20, results)


def test_memory_brings_the_glider_to_rest_and_a_cut_memory_does_not(bundle):
    planned = Planned(bundle, PLANNER, COSTS)
    kept, cut = row(planned), row(partial(planned_without_memory, bundle))
    assert kept.at_end[0] == 6
    assert cut.at_end[0] <= 2
    assert kept.returns[0] > cut.returns[0]
    assert row(RandomActor).at_end[0] == 0


def planned_without_memory(bundle):
    return Planned(bundle, PLANNER, COSTS, remembers=False)()


def test_an_episode_ends_where_the_simulator_ends_it(bundle):
    class Straight(RandomActor):
        def act(self, observation, tick):
            return np.ones(2)

    result = run_episode(Gliding(None), Straight(), seed=0, steps=30)
    assert len(result.rewards) == len(result.reached) == len(result.act_cpu_s) < 30
    assert result.rewards[-1] < -400


def test_results_do_not_depend_on_the_number_of_processes(bundle):
    actor = Planned(bundle, PLANNER, COSTS)
    one, two = (run_episodes(SIMULATOR, actor, range(3), steps=4, workers=count) for count in (1, 2))
    assert [each.seed for each in two] == [0, 1, 2]
    for ours, theirs in zip(one, two, strict=True):
        assert ours.rewards.tobytes() == theirs.rewards.tobytes()


def launch_file(folder, bundle):
    nodes = [
        {"exec": "simulator", "params": {"simulator": SIMULATOR, "steps": 3}},
        {"exec": "planner", "params": {"world_model": bundle, "planner": PLANNER, "costs": COSTS}},
        {"exec": "controller", "params": {"control": {"type": "passthrough", "world_model": bundle}}},
    ]
    path = folder / "glide.yaml"
    path.write_text(yaml.safe_dump({"nodes": nodes}))
    return str(path)


def test_the_command_prints_a_row_per_actor(bundle, tmp_path):
    launch, out = launch_file(tmp_path, bundle), tmp_path / "rows.json"
    words = [
        "bench",
        "returns",
        launch,
        "--episodes",
        "2",
        "--cut-memory",
        "--workers",
        "1",
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "memory cut" in result.output and "random actions" in result.output
    rows = yaml.safe_load(out.read_text())
    assert [each["policy"] for each in rows] == ["random actions", bundle, f"{bundle}, memory cut"]
    assert {each["steps"] for each in rows} == {3}


def test_a_launch_file_for_arms_is_refused():
    result = CliRunner().invoke(app, ["bench", "returns", "panda_reach"])
    assert result.exit_code != 0
    assert "wanted a controller with `control: {type: passthrough" in str(result.exception or result.output)
