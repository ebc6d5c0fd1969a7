"""Groups: nodes that share a process behave as in processes of their own."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from toy_run import Run
from toys import new_domain_name, until

from wm_planner.config import Config
from wm_planner.errors import ConfigError, MessagingError, NodeError
from wm_planner.launching.file import find, load
from wm_planner.launching.groups import Grouped, check_groups
from wm_planner.launching.supervisor import Supervisor
from wm_planner.messaging import topics
from wm_planner.messaging.control import GetParams, ask
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.running import node_named
from wm_planner.node import Node
from wm_planner.recording.player import Player

ALL = ("talker", "answerer", "recorder")


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path)
    run.params("talker", ticks=50, stall_s=60.0)
    yield run
    assert run.is_clean


def bytes_of(recording: Path) -> dict[str, list[bytes]]:
    """The bytes of every message by topic, without the reports of once a second."""
    player = Player(recording)
    assert player.is_complete and sum(player.gaps.values()) == 0
    topics = {topic for topic in player.topics if topic != "/diagnostics"}
    found: dict[str, list[bytes]] = {topic: [] for topic in topics}
    for message in player.messages(topics):
        found[message.topic].append(bytes(message.data))
    return found


@pytest.mark.parametrize("clock", ["lockstep", "realtime"])
@pytest.mark.parametrize("together", [ALL, ("talker", "answerer"), ("answerer", "recorder")])
def test_a_recording_holds_the_same_bytes_however_the_nodes_are_grouped(tmp_path, together, clock):
    recordings = []
    for folder, names in (("apart", ()), ("together", together)):
        (tmp_path / folder).mkdir()
        run = Run(tmp_path / folder)
        run.clock = clock
        run.params("talker", ticks=30, stall_s=60.0)
        run.share("toys", *names)
        assert run.go().reason == "node 'talker' has finished"
        recordings.append(bytes_of(run.recording))
    assert recordings[0] == recordings[1]
    assert len(recordings[0]["/command"]) == 30


@pytest.mark.slow
def test_an_arm_reaches_its_goal_by_the_same_bytes_with_all_nodes_in_one_process(tmp_path):
    recordings = []
    for name, group in (("apart", ""), ("together", "robot")):
        spec = load(find("panda_reach"), name, ["episodes=2", "steps=8"])
        nodes = tuple(replace(node, group=group, respawn="never") for node in spec.nodes)
        path = tmp_path / name / "episodes.mcap"
        nodes[-1].params["path"] = str(path)
        assert nodes[-1].name == "recorder"
        Supervisor(replace(spec, nodes=nodes), tmp_path / name, new_domain_name()).run()
        found = bytes_of(path)
        recordings.append({topic: found[topic] for topic in found if not topics.find(topic).measured})
    assert recordings[0] == recordings[1]
    assert len(recordings[0]["/command"]) == 16 and len(recordings[0]["/latent"]) == 16


def test_nodes_of_a_group_keep_their_names_lifecycle_and_lines_in_one_log(run):
    run.share("toys", *ALL)
    assert run.go().reason == "node 'talker' has finished"
    assert {name: run.kinds(name) for name in run.nodes} == {
        "talker": ["started", "active", "finished"],
        "answerer": ["started", "active", "stopped"],
        "recorder": ["started", "active", "stopped"],
    }
    assert len({event.detail for event in run.events if event.kind == "started"}) == 1  # process N
    log = run.log("toys")
    assert "INFO answerer: goal 7" in log and "INFO talker: finished: all ticks were answered" in log
    assert "INFO recorder: finished: stopped by a signal" in log


def test_tools_find_each_node_of_a_group(run):
    run.params("talker", ticks=10**9)
    run.params("answerer", gain=2.5)
    run.share("toys", *ALL)
    supervisor, found = run.supervisor(), []

    def look_once() -> None:
        domain = Domain.named(run.domain)
        reported = run.recording.is_file() and Player(run.recording).counts.get("/diagnostics", 0) >= 2
        if reported and not found:
            found.extend(domain.endpoints())
            assert ask(node_named(domain, "answerer"), GetParams()).params["gain"] == 2.5
            assert ask(node_named(domain, "talker"), GetParams()).params["ticks"] == 10**9
            supervisor.interrupt("seen")

    assert supervisor.run(look_once).reason == "seen"
    assert sorted(node.name for node in found) == sorted(ALL)
    assert len({node.pid for node in found}) == 1 and len({node.publisher_id for node in found}) == 3
    reports = [message.message.status[0] for message in Player(run.recording).messages(["/diagnostics"])]
    cpu_s = {report.name: float(report.values[0].value) for report in reports}
    assert cpu_s.keys() == {"talker", "answerer"}  # a recorder does not record its own
    assert all(used > 0 for used in cpu_s.values()) and cpu_s["talker"] != cpu_s["answerer"]


def test_a_node_that_has_finished_leaves_its_group_to_the_others(run):
    run.nodes["talker"] = run._node("talker")
    run.params("talker", ticks=20, stall_s=60.0)
    run.share("toys", *ALL)
    supervisor = run.supervisor()

    def wait_for_talker() -> None:
        if "finished" in run.kinds("talker") and not supervisor.is_stopping:
            assert "answerer" in {node.name for node in Domain.named(run.domain).endpoints()}
            supervisor.interrupt("enough")

    assert supervisor.run(wait_for_talker).reason == "enough"
    assert run.kinds("answerer") == ["started", "active", "stopped"]
    assert len(bytes_of(run.recording)["/command"]) == 20


def test_all_nodes_of_a_group_that_was_killed_are_respawned(run):
    run.params("talker", ticks=1000, stall_s=0.3)
    run.share("pair", "answerer", "recorder", respawn="on-failure")

    def kill_once() -> None:
        if "goal 7" in run.log("pair") and "died" not in run.kinds("answerer"):
            os.kill(node_named(Domain.named(run.domain), "answerer").pid, signal.SIGKILL)
            until(lambda: Domain.named(run.domain).endpoints()[0].name != "answerer")

    assert run.supervisor().run(kill_once).status == "finished"
    for name in ("answerer", "recorder"):
        assert run.kinds(name) == ["started", "active", "died", "respawned", "active", "stopped"]
    assert run.kinds("talker") == ["started", "active", "finished"]
    assert Player(run.recording.with_stem("all_2")).is_complete


def test_a_group_without_respawn_ends_the_run_and_names_the_node_that_failed(run):
    run.break_answerer(respawn="never")
    run.share("toys", *ALL)
    failure = r"group 'toys': exit code 1: node 'answerer': ZeroDivisionError: no \(.*\) \(log: .*toys\.log\)"
    with pytest.raises(NodeError, match=failure):
        run.go()
    assert [run.kinds(name)[-1] for name in ALL] == ["died"] * 3
    assert Player(run.recording).is_complete


def test_wrong_parameters_of_one_node_end_the_run_with_its_error(run):
    run.params("answerer", gain="big")
    run.share("toys", *ALL, respawn="on-failure")
    with pytest.raises(NodeError, match=r"group 'toys': node 'answerer': answerer: params\.gain: got 'big'"):
        run.go()


class Plain(Node):
    Params = Config


class Punctual(Node):
    alone_in_realtime = True


def grouped(name, group="robot", node=Plain, **policies):
    return Grouped(name, group, node, {"respawn": "never"} | policies)


def test_nodes_of_a_group_that_contradict_each_other_are_refused_by_name():
    nodes = [grouped("a"), grouped("b", respawn="always"), grouped("c"), grouped("d", "", respawn="always")]
    with pytest.raises(ConfigError, match=r"group 'robot' .* in respawn: never \(a, c\); always \(b\)"):
        check_groups(nodes, "lockstep", "x.yaml")
    with pytest.raises(ConfigError, match=r"in cores: \[0\] \(a\); \[1\] \(b\)"):
        check_groups([grouped("a", cores=[0]), grouped("b", cores=[1])], "lockstep", "x.yaml")


def test_a_node_that_must_keep_its_rate_shares_no_process_in_realtime():
    nodes = [grouped("planner"), grouped("controller", node=Punctual)]
    check_groups(nodes, "lockstep", "x.yaml")
    with pytest.raises(ConfigError, match="controller cannot be in group 'robot' with planner in realtime"):
        check_groups(nodes, "realtime", "x.yaml")
    check_groups([grouped("planner"), grouped("controller", "alone", Punctual)], "realtime", "x.yaml")


def test_a_group_with_the_name_of_a_node_or_of_a_path_is_refused():
    with pytest.raises(ConfigError, match="group 'robot' has the name of a node"):
        check_groups([grouped("a"), grouped("robot", "")], "lockstep", "x.yaml")
    with pytest.raises(MessagingError, match=r"x\.yaml: group '\.\./robot': wanted a name"):
        check_groups([grouped("a", "../robot")], "lockstep", "x.yaml")
