"""`wm launch` in a temporary folder, then `wm eval`, as a user runs them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from glider import write_glider
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from toys import PATIENCE_S, until, write_toys

from wm_planner.evaluation.closed_loop.actors import Planned
from wm_planner.evaluation.closed_loop.episodes import run_episode
from wm_planner.evaluation.closed_loop.success import Bundle
from wm_planner.evaluation.runs.offline import replayed_figures
from wm_planner.launching import file as launch_file
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.messages import named_arrays_of
from wm_planner.recording.player import Player
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.simulation.scene import load_scene
from wm_planner.sprites.simulation.simulator import SpriteSimulator, action_spec

SMALL = "model=models/bundles/panda_reach_small"


class Launched:
    """A `wm launch` process, its folder and its output."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "wm_planner.cli", "launch", *arguments, "--name", "run"]
        self.folder = folder / "runs" / "run"
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=domain(folder),
        )

    def finish(self, timeout_s: float = PATIENCE_S) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output

    def node_pid(self, name: str) -> int:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            command = read(path).split("\0")
            if (
                any(part.endswith(f"nodes/{name}.py") for part in command)
                and parent_of(path) == self.process.pid
            ):
                return int(path.parent.name)
        raise LookupError(name)

    def wait_for_steps(self, count: int) -> None:
        """Wait until `count` plans are in the recording."""
        recording = self.folder / "episodes.mcap"

        def enough() -> bool:
            assert self.process.poll() is None, self.finish()
            return recording.is_file() and Player(recording).counts["/plan"] >= count

        until(enough, every_s=0.1)

    def children(self) -> list[int]:
        return [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if parent_of(path) == self.process.pid
        ]


def domain(folder: Path) -> dict[str, str]:
    """An environment in which runs of this test are on domains of their own."""
    runtime = folder / "x"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def parent_of(cmdline: Path) -> int:
    status = read(cmdline.parent / "status")
    found = re.search(r"PPid:\s+(\d+)", status)
    return int(found[1]) if found else 0


def payloads(recording: Path, topic: str) -> list[bytes]:
    return [recorded.data for recorded in Player(recording).messages([topic])]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished run of three episodes in lockstep."""
    launched = Launched(tmp_path_factory.mktemp("a"), "panda_reach", SMALL, "episodes=3")
    code, output = launched.finish()
    assert code == 0, output
    return launched, output


def test_a_launch_reaches_its_goals_and_reports(finished):
    launched, output = finished
    for line in ("episode   3", "3 of 3", "plan time, ms", "summary.json", "episodes.mcap"):
        assert line in output
    for name in ("summary.json", "distance.png", "episodes.mp4", "episodes.mcap", "launch.yaml"):
        assert (launched.folder / name).stat().st_size > 0
    summary = json.loads((launched.folder / "summary.json").read_text())
    assert summary["success"][0]["successes"] == 3
    assert summary["plans"] == 90


def test_the_recording_gives_the_same_figures_as_the_live_run(finished):
    launched, _ = finished
    summary = json.loads((launched.folder / "summary.json").read_text())
    replayed = json.loads(msgspec.json.encode(replayed_figures(launched.folder / "episodes.mcap")))
    assert replayed == {key: summary[key] for key in replayed}


def test_an_independent_reader_opens_the_recording(finished):
    launched, _ = finished
    with (launched.folder / "episodes.mcap").open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        plans = [message for _, _, _, message in reader.iter_decoded_messages(topics=["/plan"])]
        images = [
            message for _, _, _, message in reader.iter_decoded_messages(topics=["/camera/front/image_raw"])
        ]
    assert len(plans) == len(images) == 90
    assert list(plans[0].action_names) == ["dx", "dy", "dz"]
    assert (images[0].height, images[0].width, images[0].encoding) == (64, 64, "rgb8")


def test_no_message_is_lost(finished):
    launched, _ = finished
    assert sum(Player(launched.folder / "episodes.mcap").gaps.values()) == 0


def test_the_goal_position_is_published_on_episode_only(finished):
    """The goal's message holds no pose; its true position is in no other message's bytes."""
    launched, _ = finished
    player = Player(launched.folder / "episodes.mcap")
    episode = next(iter(player.messages(["/episode"]))).message
    needles = [np.float64(v).tobytes() for v in episode.goal_position] + [
        np.float32(v).tobytes() for v in episode.goal_position
    ]
    for recorded in player.messages():
        if recorded.topic == "/goal":
            assert not recorded.message.pose
        if recorded.topic != "/episode":
            assert not any(needle in recorded.data for needle in needles), recorded.topic


def alone(*overrides: str) -> Callable[[int], np.ndarray]:
    """Runs episodes in this process as the launch file says; returns distances by seed."""
    nodes = launch_file.load(launch_file.find("panda_reach"), "x", overrides).nodes
    planner = next(node.params for node in nodes if node.name == "planner")
    settings = (planner["planner"], planner["costs"], planner["mpc"])
    simulator = MujocoSimulator(load_scene("sim/panda_reach.py"))
    policy = Bundle("models/bundles/panda_reach_small", *settings)(simulator)
    return lambda seed: run_episode(simulator, policy, seed, steps=30).distances


def test_nodes_and_one_process_make_the_same_decisions(finished):
    """Bus, processes and codec change nothing: distances agree to the last bit."""
    launched, _ = finished
    distances = alone()
    for episode in replayed_figures(launched.folder / "episodes.mcap").episodes:
        np.testing.assert_array_equal(distances(episode.seed), episode.distances_m)


@pytest.mark.parametrize("how", [["planner=policy"], ["proposals=elites", "samples=24", "iterations=2"]])
def test_a_policy_and_a_search_decide_in_nodes_as_in_one_process(tmp_path, how):
    launched = Launched(tmp_path, "panda_reach", SMALL, "episodes=2", *how)
    code, output = launched.finish()
    assert code == 0 and "2 of 2" in output, output
    distances = alone(*how)
    for episode in replayed_figures(launched.folder / "episodes.mcap").episodes:
        np.testing.assert_array_equal(distances(episode.seed), episode.distances_m)


def test_a_model_without_a_policy_is_refused_before_any_node_starts(tmp_path):
    other = "model=models/bundles/panda_reach_untrained"
    for how in ([], ["planner=policy", "proposals=elites"]):
        code, output = Launched(tmp_path, "panda_reach", other, *how).finish()
        assert code == 2 and "policy needs a policy, and panda_reach_untrained has none" in output, output
        assert not (tmp_path / "runs").exists()


def test_memory_in_nodes_equals_memory_in_one_process(tmp_path):
    """Perception carries the latent on by the actions carried out: distances agree to the last bit."""
    glider = tmp_path / "glider"
    write_glider(glider, action=action_spec("glide"))
    latents = check_glide(tmp_path, f"model={glider}")
    trail = [named_arrays_of(latent.arrays)["trail"].item() for latent in latents]
    assert trail == 2 * list(range(12))  # ticks that memory has counted


def test_a_trained_model_with_memory_decides_the_same_in_nodes_and_in_one_process(tmp_path):
    latents = check_glide(tmp_path)
    assert set(named_arrays_of(latents[0].arrays)) == {"h", "z"}


def check_glide(folder, *overrides):
    """Launch two episodes of `glide`, compare them with those of this process, and return the latents."""
    overrides = ("episodes=2", "steps=12", *overrides)
    launched = Launched(folder, "glide", *overrides)
    code, output = launched.finish()
    assert code == 0, output
    nodes = launch_file.load(launch_file.find("glide"), "x", overrides).nodes
    planner = next(node.params for node in nodes if node.name == "planner")
    simulator = SpriteSimulator(SpriteSimulator.Config(level="glide"))
    actor = Planned(planner["world_model"], planner["planner"], planner["costs"])()
    episodes = replayed_figures(launched.folder / "episodes.mcap").episodes
    assert len(episodes) == 2
    for episode in episodes:
        alone = distances_of(simulator, actor, episode.seed)
        np.testing.assert_array_equal(alone, episode.distances_m[1:])
    return [each.message for each in Player(launched.folder / "episodes.mcap").messages(["/latent"])]


def distances_of(simulator, actor, seed):
    """Distances to the goal after each of 12 steps in this process."""
    observation, distances = simulator.reset(seed), []
    actor.reset(simulator, goal_id=seed + 1)
    for tick in range(12):
        result = simulator.step(actor.act(observation, tick))
        observation = result.observation
        distances.append(result.distance)
    return distances


def test_the_same_seed_gives_the_same_bytes(finished, tmp_path):
    first, _ = finished
    second = Launched(tmp_path, "panda_reach", SMALL, "episodes=3")
    assert second.finish()[0] == 0
    for topic in ("/latent", "/plan", "/action", "/command"):
        assert payloads(first.folder / "episodes.mcap", topic) == payloads(
            second.folder / "episodes.mcap", topic
        )


def test_eval_reports_a_recorded_run(finished):
    launched, _ = finished
    command = [sys.executable, "-m", "wm_planner.cli", "eval", str(launched.folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "3 of 3" in result.stdout
    assert re.search(r"^ 5 +0\.\d+ ", result.stdout, re.MULTILINE), result.stdout


def test_ctrl_c_ends_everything_and_closes_the_recording(tmp_path):
    launched = Launched(tmp_path, "panda_reach", SMALL, "clock=realtime", "episodes=50")
    launched.wait_for_steps(5)
    children = launched.children()
    assert len(children) == 5
    launched.process.send_signal(signal.SIGINT)
    code, output = launched.finish()
    assert code == 130, output
    assert "killed" not in output
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not [path for path in (tmp_path / "x").rglob("*") if path.is_socket()]
    assert Player(launched.folder / "episodes.mcap").is_complete


@pytest.mark.slow
@pytest.mark.parametrize("clock", ["lockstep", "realtime"])
@pytest.mark.parametrize("victim", ["perception", "planner"])
def test_a_run_survives_the_death_of_a_node(tmp_path, clock, victim, request):
    if clock == "realtime":
        request.getfixturevalue("own_machine")
    launched = Launched(tmp_path, "panda_reach", SMALL, f"clock={clock}", "episodes=4", "steps=40")
    launched.wait_for_steps(50 if clock == "realtime" else 5)
    os.kill(launched.node_pid(victim), signal.SIGKILL)
    killed_ns = time.time_ns()
    code, output = launched.finish()
    assert code == 0, output
    assert f"{victim} died  signal SIGKILL" in output
    assert f"{victim} respawned" in output
    figures = replayed_figures(launched.folder / "episodes.mcap")
    assert [len(episode.distances_m) for episode in figures.episodes] == [41] * 4
    assert figures.episodes[-1].success
    if clock == "lockstep":
        assert "repeated" in (launched.folder / "logs" / "simulator.log").read_text()
    else:
        assert "holding" in (launched.folder / "logs" / "controller.log").read_text()
        after = [r.log_time_ns for r in Player(launched.folder / "episodes.mcap").messages(["/command"])]
        next_command_s = (min(t for t in after if t > killed_ns) - killed_ns) / 1e9
        assert next_command_s < 0.2 + 0.1  # one period, the patience for the plan, and the way


@pytest.mark.slow
def test_realtime_keeps_its_deadline(tmp_path, own_machine):
    launched = Launched(tmp_path, "panda_reach", SMALL, "clock=realtime", "episodes=5")
    code, output = launched.finish()
    assert code == 0, output
    figures = replayed_figures(launched.folder / "episodes.mcap")
    assert figures.deadline_misses + figures.fallbacks <= 0.01 * figures.plans
    assert figures.success[0].successes == 5


def test_a_run_does_not_overwrite_an_older_one(finished):
    launched, _ = finished
    again = Launched(launched.folder.parent.parent, "panda_reach", SMALL)
    code, output = again.finish()
    assert code == 2
    assert "exists already" in output


def test_a_run_whose_domain_is_taken_is_refused_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", domain(tmp_path)["XDG_RUNTIME_DIR"])
    taken = Domain.named("run")
    taken.claim()
    launched = Launched(tmp_path, "panda_reach", SMALL)
    code, output = launched.finish()
    taken.remove()
    assert code == 2
    assert f"domain 'run' is in use by process {os.getpid()}" in output
    assert not launched.folder.exists()


ROBOT = """
nodes:
  - exec: FOLDER/talker.py
    params: {ticks: 5}
    on_exit: shutdown
  - exec: FOLDER/answerer.py
  - exec: recorder
    params: {path: runs/run/episodes.mcap}
"""


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """A finished run of nodes that publish /goal and pictures but no /episode, as a real robot's would."""
    folder = tmp_path_factory.mktemp("robot")
    write_toys(folder)
    (folder / "robot.yaml").write_text(ROBOT.replace("FOLDER", str(folder)))
    launched = Launched(folder, "robot.yaml")
    code, output = launched.finish()
    assert code == 0, output
    return launched, output


def test_a_run_without_a_simulator_is_reported_and_filmed(robot):
    launched, output = robot
    assert "no episodes: nothing was published on /episode" in output
    for name in ("summary.json", "episodes.mp4", "episodes.mcap"):
        assert name in output and (launched.folder / name).stat().st_size > 0
    assert json.loads((launched.folder / "summary.json").read_text())["run"]["status"] == "finished"


def evaluated(folder: Path) -> str:
    command = [sys.executable, "-m", "wm_planner.cli", "eval", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_eval_reports_an_incomplete_recording(robot, tmp_path):
    launched, _ = robot
    assert "incomplete" not in evaluated(launched.folder)
    shutil.copytree(launched.folder, tmp_path / "cut")
    recording = tmp_path / "cut" / "episodes.mcap"
    recording.write_bytes(recording.read_bytes()[:-1000])
    assert "the recording is incomplete: it was not closed" in evaluated(tmp_path / "cut")


def test_eval_reports_how_many_episodes_were_planned(finished, tmp_path):
    launched, _ = finished
    shutil.copytree(launched.folder, tmp_path / "more")
    launch_yaml = tmp_path / "more" / "launch.yaml"
    text = launch_yaml.read_text()
    assert "episodes: 3" in text
    launch_yaml.write_text(text.replace("episodes: 3", "episodes: 10"))
    assert "3 of 10 planned episodes have ended, 3 were started" in evaluated(tmp_path / "more")


BROKEN = """
from wm_planner.config import Config

class Broken:
    class Config(Config, frozen=True, kw_only=True):
        pass

    horizon, discrete = 3, False

    def __init__(self, config):
        pass

    def plan(self, problem, **context):
        return problem.no_such_thing
"""

PLANNER = """
nodes:
  - exec: planner
    params:
      world_model: models/bundles/panda_reach_small
      planner: {type: FOLDER/broken.py:Broken}
      costs: [{type: latent_goal}]
    respawn: on-failure
"""


def test_a_broken_planner_is_reported_in_the_last_line_with_its_place(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "x.yaml").write_text(PLANNER.replace("FOLDER", str(tmp_path)))
    code, output = Launched(tmp_path, "x.yaml").finish()
    assert code == 2
    last = output.strip().splitlines()[-1]
    assert re.match(
        r"error: node 'planner': exit code 1: AttributeError: .*'no_such_thing' \(broken.py, line 14\)", last
    )
    assert output.count("no_such_thing") == 1
    assert "median" not in output and "plans" not in output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def (", "cannot be loaded: SyntaxError"),
        ("import no_such_package", "needs the package 'no_such_package'"),
    ],
)
def test_a_planner_that_cannot_be_imported_is_reported_in_the_last_line(tmp_path, text, words):
    (tmp_path / "broken.py").write_text(text)
    (tmp_path / "x.yaml").write_text(PLANNER.replace("FOLDER", str(tmp_path)))
    code, output = Launched(tmp_path, "x.yaml").finish()
    assert code == 2
    assert words in output.strip().splitlines()[-1]


def test_an_environment_is_planned_in_for_reward(tmp_path):
    launched = Launched(tmp_path, "pendulum", "episodes=1", "steps=20")
    code, output = launched.finish()
    assert code == 0, output
    summary = json.loads((launched.folder / "summary.json").read_text())
    assert summary["plans"] == 20 and summary["success"] == []
    assert summary["total_reward"]["median"] < 0 and summary["end_distance_m"]["count"] == 0
    assert f"return {summary['total_reward']['median']:.1f}" in output
    topics = Player(launched.folder / "episodes.mcap").topics
    assert {"/signal/observation", "/goal_latent", "/action", "/command"} <= set(topics)


def test_a_bundle_that_does_not_fit_its_environment_is_refused_before_anything_starts(tmp_path):
    launched = Launched(tmp_path, "pendulum", "environment=MountainCarContinuous-v0")
    code, output = launched.finish()
    assert code == 2
    assert "the control period in s is 0.05 in nodes[1] (perception), but 0.0333333 in nodes[0]" in output
    assert not launched.folder.exists()
