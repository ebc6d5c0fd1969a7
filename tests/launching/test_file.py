import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from toys import write_toys

from wm_planner import share
from wm_planner.config import convert
from wm_planner.errors import ConfigError, MessagingError, PluginError
from wm_planner.launching import file
from wm_planner.launching.program_file import node_class

TEXT = """
args: {ticks: 10, stall_s: 0.5, folder: runs, debug: false, names: [a, b], extra: null}
clock: lockstep
nodes:
  - exec: FOLDER/talker.py
    params: {ticks: $(ticks), stall_s: $(stall_s)}
    on_exit: shutdown
  - exec: FOLDER/answerer.py
    name: second
    respawn: on-failure
"""


def test_a_bundle_of_another_robot_is_refused_before_what_it_lacks_for_the_planner():
    with pytest.raises(ConfigError, match=r"the control period in s is 0.05 in .* choose a bundle"):
        file.load(file.find("panda_reach"), "monday", ["model=models/bundles/pendulum"])


def test_the_pendulum_is_planned_without_a_search_where_its_model_has_a_policy():
    given = ["model=models/bundles/pendulum_tdmpc2", "planner=policy"]
    nodes = file.load(file.find("pendulum"), "monday", given).nodes
    assert [node.params["planner"]["type"] for node in nodes if node.name == "planner"] == ["policy"]


@pytest.fixture
def launch(tmp_path):
    """Write a launch file, with text replaced, and load it."""
    write_toys(tmp_path)

    def load(*overrides: str, **replacements: str) -> file.LaunchSpec:
        text = TEXT.replace("FOLDER", str(tmp_path))
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "toy.yaml"
        path.write_text(text)
        return file.load(path, "monday", overrides)

    return load


def test_a_launch_file_is_read_with_its_defaults(launch, tmp_path):
    spec = launch()
    assert (spec.name, spec.clock) == ("monday", "lockstep")
    talker, second = spec.nodes
    assert talker == file.NodeSpec(
        "talker", tmp_path / "talker.py", {"ticks": 10, "stall_s": 0.5}, "never", ends_run=True
    )
    assert (second.name, second.params, second.respawn) == ("second", {}, "on-failure")


FORCE = """
topics:
  - topic: /toy_force
    type: toy_msgs/msg/Force
    msg: FOLDER/Force.msg
  - {topic: /toy_temperature, type: std_msgs/msg/Float64, latched: true}
nodes:"""


def test_a_launch_file_declares_topics_and_gives_nodes_a_namespace_and_other_names(launch, tmp_path):
    (tmp_path / "Force.msg").write_text("std_msgs/Header header\nfloat64 newtons\n")
    names = "    namespace: left\n    remap: {/goal: /goal}\n    name: second"
    spec = launch(**{"\nnodes:": FORCE.replace("FOLDER", str(tmp_path)), "    name: second": names})
    assert [declared.topic for declared in spec.topics] == ["/toy_force", "/toy_temperature"]
    assert "newtons" in spec.topics[0].msg and spec.topics[1].latched
    assert (spec.nodes[1].namespace, spec.nodes[1].remap) == ("left", {"/goal": "/goal"})
    assert spec.nodes[0].namespace == ""


def test_a_topic_or_a_name_that_cannot_be_used_is_refused_with_its_place(launch):
    topics = "\ntopics: [{topic: /x, type: toy_msgs/msg/X, msg: 'Foo x'}]\nnodes:"
    with pytest.raises(MessagingError, match=r"toy.yaml: topics\[0\]: .* unknown type 'toy_msgs/msg/Foo'"):
        launch(**{"\nnodes:": topics})
    with pytest.raises(PluginError, match=r"topics\[0\].msg: nowhere.msg: no such file"):
        launch(**{"\nnodes:": topics.replace("'Foo x'", "nowhere.msg")})
    with pytest.raises(MessagingError, match=r"nodes\[1\] .*: namespace '/left': wanted a name such as"):
        launch(**{"    name: second": "    namespace: /left"})


def test_an_argument_is_read_as_the_type_of_its_default(launch):
    assert launch("ticks=3", "stall_s=2").nodes[0].params == {"ticks": 3, "stall_s": 2.0}


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ([], {"type": "icem", "horizon": 3, "samples": 16}),
        (["steps=5"], {"type": "icem", "horizon": 5, "samples": 16}),
        (["planner=policy"], {"type": "policy"}),
        (["planner=cem,horizon=4,init_std=0.5"], {"type": "cem", "horizon": 4, "init_std": 0.5}),
        (["planner={type: cem, horizon: 4}"], {"type": "cem", "horizon": 4}),
    ],
)
def test_a_plug_in_is_an_argument(tmp_path, overrides, wanted):
    path = tmp_path / "plans.yaml"
    path.write_text(
        "args: {planner: {type: icem, horizon: $(steps), samples: 16}, steps: 3}\n"
        "nodes: [{exec: planner, params: {planner: $(planner), costs: []}}]\n"
    )
    assert file.planning(str(path), overrides) == (wanted, [])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("tikcs=3", "toy.yaml: no argument 'tikcs', did you mean 'ticks'"),
        ("ticks=many", "argument ticks=many: wanted int, as in ticks=10"),
        ("ticks=true", "wanted int"),
        ("debug=1", "wanted bool"),
        ("stall_s=[1", "wanted float"),
        ("ticks", "got 'ticks', wanted argument=value, as in ticks=10"),
    ],
)
def test_an_argument_that_does_not_fit_is_reported(launch, override, words):
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
        launch(override)


def test_an_argument_given_twice_is_refused(launch):
    with pytest.raises(ConfigError, match="argument ticks is given twice, ticks=1 and ticks=2"):
        launch("ticks=1", "ticks=2")


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (
            ["model=models/bundles/drive_bev", "proposals=elites"],
            "control period in s is 0.4 in nodes.1. .perception., but 0.2",
        ),
        (["model=models/bundles/panda_reach"], None),
    ],
)
def test_a_bundle_that_does_not_fit_the_scene_is_refused_before_the_start(overrides, reason):
    fits = nullcontext() if reason is None else pytest.raises(ConfigError, match=reason)
    with fits:
        file.load(file.find("panda_reach"), "monday", overrides)


def test_a_planner_with_another_bundle_than_perception_is_refused_before_the_start(tmp_path):
    text = file.find("panda_reach").read_text()
    first, second, rest = text.split("world_model: $(model)")
    bundle = tmp_path / "mine"
    shutil.copytree(share.find("models/bundles/panda_reach_small"), bundle)
    for model, fits in (
        ("models/bundles/panda_reach", pytest.raises(ConfigError, match="the latent is that of")),
        (bundle, nullcontext()),  # the same encoder
    ):
        written = f"{first}world_model: $(model){second}world_model: {model}{rest}"
        (tmp_path / "run.yaml").write_text(written)
        with fits:
            file.load(tmp_path / "run.yaml", "x")


def test_references_within_text_become_text(launch):
    spec = launch("folder=out", **{"name: second": "name: $(folder)_$(name)_$(ticks)"})
    assert spec.nodes[1].name == "out_monday_10"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("$(ticks)", "$(tocks)", r"nodes\[0\]\.params\.ticks: no argument 'tocks', did you mean 'ticks'"),
        (
            "params: {ticks:",
            "params: {tick:",
            r"nodes\[0\] \(.*talker\.py\)\.params: unknown key 'tick', did you mean 'ticks'",
        ),
        ("$(ticks)", "soon", r"nodes\[0\] \(.*talker\.py\)\.params\.ticks: got 'soon', wanted an integer"),
        ("on_exit", "on_exti", r": nodes\[0\]: unknown key 'on_exti', did you mean 'on_exit'"),
        ("on_exit: shutdown", "on_exit: restart", r": nodes\[0\]\.on_exit: got 'restart', known: shutdown"),
        ("clock", "clocks", "unknown key 'clocks', did you mean 'clock'"),
        ("lockstep", "fast", r": clock: got 'fast', known: lockstep, realtime"),
        ("FOLDER/answerer.py", "recoder", r"nodes\[1\]\.exec: no node 'recoder', did you mean 'recorder'"),
        ("name: second", "name: talker", "two nodes are named 'talker'"),
        ("ticks: 10,", "name: 10,", "'name' is the run's name"),
    ],
)
def test_unknown_names_are_reported_with_their_place(launch, tmp_path, old, new, words):
    with pytest.raises(ConfigError, match=words):
        launch(**{old.replace("FOLDER", str(tmp_path)): new})


def test_a_missing_program_is_reported_with_its_node_and_place(launch, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    words = (
        r"toy\.yaml: nodes\[1\]\.exec: node 'second': my_node\.py: no such file or folder.*; create the file "
        rf"or correct the path, which is relative to the folder in which wm is started, {tmp_path}/elsewhere"
    )
    with pytest.raises(ConfigError, match=words):
        launch(**{f"{tmp_path}/answerer.py": "my_node.py"})


def test_invalid_yaml_is_reported_with_its_line(tmp_path):
    (tmp_path / "bad.yaml").write_text("nodes:\n  - exec: a\n bad")
    with pytest.raises(ConfigError, match=r"bad\.yaml, line \d+: not valid YAML"):
        file.load(tmp_path / "bad.yaml", "x")


def test_a_program_must_define_one_node(tmp_path):
    (tmp_path / "none.py").write_text("from wm_planner.node import Node\n")
    with pytest.raises(PluginError, match="defines 0 classes derived from Node"):
        node_class(tmp_path / "none.py")
    (tmp_path / "torn.py").write_text("import no_such_package\n")
    with pytest.raises(PluginError, match=r"needs the package 'no_such_package'"):
        node_class(tmp_path / "torn.py")


def test_a_program_that_runs_when_it_is_imported_is_refused(tmp_path):
    (tmp_path / "bare.py").write_text("raise SystemExit(2)")
    with pytest.raises(PluginError, match="exits when it is imported; call run"):
        node_class(tmp_path / "bare.py")


NODE = """
from wm_planner.node import Node, run as go

class Mine(Node):
    pass
"""


def test_a_program_that_never_runs_its_node_is_refused(tmp_path):
    (tmp_path / "idle.py").write_text(NODE)
    with pytest.raises(
        PluginError, match=r"idle\.py: never runs its node.* call wm_planner.node.run\(Mine\)"
    ):
        node_class(tmp_path / "idle.py")
    (tmp_path / "runs.py").write_text(f"{NODE}\nif __name__ == '__main__':\n    go(Mine)\n")
    assert node_class(tmp_path / "runs.py").__name__ == "Mine"


def test_a_folder_is_not_a_launch_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "mine.yaml", "panda_reach"):
        (tmp_path / name).mkdir()
    for name in ("mine", "mine.yaml", str(tmp_path)):
        with pytest.raises(PluginError, match=f"{name} is a folder, wanted a launch file: x.yaml, or a name"):
            file.find(name)
    assert file.find("panda_reach").name == "panda_reach.yaml"


def test_an_argument_without_a_value_is_refused():
    for name, example in (("model", "models/bundles/panda_reach_small"), ("planner", "icem")):
        with pytest.raises(
            ConfigError, match=f"argument {name}= is empty, wanted a value, as in .*={example}"
        ):
            file.load(file.find("panda_reach"), "x", [f"{name}="])


def test_a_run_without_nodes_is_refused(tmp_path):
    (tmp_path / "empty.yaml").write_text("nodes: []")
    with pytest.raises(ConfigError, match=r"empty\.yaml: nodes: the list is empty, wanted at least one"):
        file.load(tmp_path / "empty.yaml", "x")


PICKY = """
from wm_planner.node import Node, run

class Picky(Node):
    @classmethod
    def check(cls, params):
        FAILURE


if __name__ == "__main__":
    run(Picky)
"""


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("{}['gain']", r"KeyError: 'gain' \(picky\.py, line 7\)"),
        ("raise SystemExit('no GPU')", r"SystemExit: no GPU \(picky\.py, line 7\)"),
        ("import no_such_package", "needs the package 'no_such_package', which is not installed"),
    ],
)
def test_an_exception_of_a_plug_in_during_checks_is_reported_with_its_place(tmp_path, failure, words):
    (tmp_path / "picky.py").write_text(PICKY.replace("FAILURE", failure))
    (tmp_path / "run.yaml").write_text(f"nodes: [{{exec: {tmp_path}/picky.py}}]")
    with pytest.raises(PluginError, match=rf"run\.yaml: nodes\[0\] \(.*picky\.py\): .*{words}"):
        file.load(tmp_path / "run.yaml", "x")


def test_launch_files_are_found_by_bare_name_or_path(tmp_path, monkeypatch):
    monkeypatch.setattr("wm_planner.share.roots", lambda: (tmp_path,))
    (tmp_path / "launch").mkdir()
    path = tmp_path / "launch" / "reach.yaml"
    path.write_text("nodes: []")
    assert file.find("reach") == file.find(str(path)) == path
    with pytest.raises(PluginError, match="unknown launch file 'raech', did you mean 'reach'"):
        file.find("raech")


def test_every_launch_file_on_the_shelf_loads():
    for path in Path("launch").glob("*.yaml"):
        assert file.load(path, "test").nodes


def test_a_launch_file_names_the_model_that_does_not_exist():
    with pytest.raises(PluginError, match=r"perception\): models/bundles/none: no such file or folder"):
        file.load(Path("launch/franka_droid.yaml"), "test", ["model=models/bundles/none"])


@pytest.mark.parametrize("name", ["drive_merge", "drive_commonroad"])
@pytest.mark.parametrize("planner", ["idm", "pdm_closed", "cem"])
def test_the_planner_of_a_drive_is_an_argument(name, planner):
    spec = file.load(file.find(name), "x", (f"planner={planner}", "scenario=sim/drive_roundabout.xml"))
    simulator, planning = spec.nodes[:2]
    assert planning.params["planner"] == {"type": planner}
    assert simulator.params["simulator"]["scenario"] == "sim/drive_roundabout.xml"
    for node in spec.nodes:
        kind = node_class(node.program)
        kind.check(convert(node.params, kind.Params, "here"))
