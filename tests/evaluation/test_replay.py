"""A recording fed to one node: equal outputs, and the first field that differs."""

import json

import msgspec
import numpy as np
import pytest
from toys import joint_state

from wm_planner import share
from wm_planner.cli.main import wm
from wm_planner.clock import WallClock
from wm_planner.errors import ConfigError, RecordingError
from wm_planner.evaluation.replay.check import check
from wm_planner.evaluation.replay.difference import Difference, first_difference
from wm_planner.launching.file import LaunchSpec, NodeSpec
from wm_planner.launching.program_file import node_class
from wm_planner.launching.run import RECORDING, prepare
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.recorder import Recorder

SHAKER = '''
import numpy as np
from wm_planner.messaging import messages as m
from wm_planner.messaging.declarations import declare
from wm_planner.config import Config
from wm_planner.node import Node, run

TEXT = "std_msgs/Header header\\nwm_planner_msgs/NamedArray[] arrays\\nfloat32 level\\n"
Shaken = declare("/shaken", "tests_msgs/msg/Shaken", TEXT)
TIME = "std_msgs/Header header\\nfloat64 seconds\\n"
Took = declare("/took", "tests_msgs/msg/Took", TIME, measured=("seconds",))


class Shaker(Node):
    """Answers every joint state with noise, and tells the time that it took."""

    class Params(Config, frozen=True, kw_only=True):
        seed: int = 0
        noise: float = 0.1

    def configure(self):
        self.rng = np.random.default_rng(self.params.seed)
        self.shaken, self.took = self.publisher("/shaken"), self.publisher("/took")
        self.subscribe("/joint_states", self.on_joints)
        self.buffer = np.zeros(3, np.float32)

    def on_joints(self, joints, envelope):
        self.buffer[:] = self.params.noise * self.rng.normal(size=3)
        stamp_ns = m.stamp_ns(joints)
        self.shaken.publish(Shaken(m.header(stamp_ns), m.named_arrays({"z": self.buffer}), float("nan")))
        self.took.publish(Took(m.header(stamp_ns), self.clock.now_ns() / 1e9))


if __name__ == "__main__":
    run(Shaker)
'''


class Folder:
    """The folder of a run of the shaker, with a recording of what it published."""

    def __init__(self, path):
        self.path = path / "run"
        self.program = path / "shaker.py"
        self.program.write_text(SHAKER)
        spec = NodeSpec("shaker", self.program, {"seed": 3}, "never", ends_run=False)
        node_class(self.program)  # declares its topics
        prepare(self.path, LaunchSpec("run", "lockstep", (spec,)))

    def record(self, publishers=1, ticks=4):
        """Write what a run would have recorded: the times in it differ from those of any replay."""
        rng = np.random.default_rng(3)
        recorder = Recorder(self.path / RECORDING, WallClock())
        for tick in range(1, ticks + 1):
            arrays = m.named_arrays({"z": (0.1 * rng.normal(size=3)).astype(np.float32)})
            messages = {
                "/joint_states": joint_state(tick),
                "/shaken": m.message_class("tests_msgs/msg/Shaken")(m.header(tick), arrays, np.nan),
                "/took": m.message_class("tests_msgs/msg/Took")(m.header(tick), 7.0),
            }
            for topic, message in messages.items():
                envelope = Envelope(tick, 0, 0, 1 + tick % publishers, 0)
                recorder.write(Delivery(topic, codec.type_of(message), envelope, codec.encode(message)))
        recorder.close({"mode": "lockstep"})
        return self.path


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_a_recording_replays_equal_but_for_measured_times(folder):
    result = check(folder.record(), "shaker")
    assert result.equal == {"/shaken": 4, "/took": 4} and result.mismatch is None


def test_a_changed_seed_is_found_at_the_first_differing_field(folder):
    found = check(folder.record(), "shaker", settings=(("seed", 4),)).mismatch
    assert (found.topic, found.number, found.stamp_ns) == ("/shaken", 1, 1)
    assert found.difference.field == "arrays[0].data[0]"
    assert found.difference.recorded == pytest.approx(0.1 * np.random.default_rng(3).normal())
    assert found.difference.replayed == pytest.approx(0.1 * np.random.default_rng(4).normal())


def test_another_program_and_a_tolerance_are_compared(folder):
    text = folder.program.read_text().replace("normal(size=3)", "normal(size=3) + 1e-4")
    other = folder.program.with_name("other.py")
    other.write_text(text)
    assert check(folder.record(), "shaker", other).mismatch.difference.field == "arrays[0].data[0]"
    assert check(folder.path, "shaker", other, tolerance=1e-4).mismatch is None


def test_messages_that_are_missing_or_surplus_are_a_difference(folder):
    once = folder.program.with_name("once.py")
    once.write_text(SHAKER.replace("self.shaken.publish", "stamp_ns == 1 and self.shaken.publish"))
    found = check(folder.record(), "shaker", once).mismatch
    assert (found.topic, found.number) == ("/shaken", 2)
    assert found.difference == Difference("message", "one", "none")
    twice = folder.program.with_name("twice.py")
    twice.write_text(
        SHAKER.replace(
            "self.took.publish(",
            "stamp_ns == 4 and self.shaken.publish(Shaken(m.header(9), [], 0.0)); self.took.publish(",
        )
    )
    found = check(folder.path, "shaker", twice).mismatch
    assert found.stamp_ns == 9 and found.difference == Difference("number of messages", 4, 5)


def test_what_cannot_be_checked_is_refused(folder):
    with pytest.raises(ConfigError, match="no node 'shakr', did you mean 'shaker'"):
        check(folder.record(publishers=2), "shakr")
    with pytest.raises(RecordingError, match="/shaken has 2 publishers: node 'shaker' was respawned"):
        check(folder.path, "shaker")
    launched = folder.path / "launch.yaml"
    launched.write_text(launched.read_text().replace("lockstep", "realtime"))
    with pytest.raises(RecordingError, match=r"recorded in realtime.* record a run in lockstep"):
        check(folder.path, "shaker")


@pytest.mark.parametrize(
    ("program", "params", "reason"),
    [
        ("link", {"connect": "tcp://127.0.0.1:7999", "send": ["/joint_states"]}, "comes from another host"),
        ("recorder", {"path": "runs/again/episodes.mcap"}, "would record what is fed to it"),
    ],
)
def test_a_node_that_does_not_answer_its_inputs_is_refused(folder, program, params, reason):
    spec = NodeSpec(program, share.find(f"nodes/{program}.py"), params, "never", ends_run=False)
    folder.path = prepare(folder.path.parent / "other", LaunchSpec("other", "lockstep", (spec,)))
    with pytest.raises(ConfigError, match=f"node '{program}' cannot be checked: .*{reason}; check"):
        check(folder.record(), program)
    assert sorted(path.name for path in folder.path.iterdir()) == [RECORDING, "launch.yaml"]


def test_the_command_exits_with_1_and_names_topic_field_and_both_values(folder, capsys):
    wm(["bag", "check", str(folder.record()), "shaker"], standalone_mode=False)
    assert capsys.readouterr().out == "/shaken: 4 messages equal\n/took: 4 messages equal\n"
    with pytest.raises(SystemExit) as ended:
        wm(["bag", "check", str(folder.path), "shaker", "--set", "seed=4"], standalone_mode=False)
    assert ended.value.code == 1
    assert "/shaken: message 1 at 1e-09 s differs first: arrays[0].data[0] was 0.2" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        wm(["bag", "check", str(folder.path), "shaker", "--set", "seed=4", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["mismatch"]["difference"]["field"] == "arrays[0].data[0]"


def test_a_recording_is_described(folder, capsys):
    path = folder.record() / RECORDING
    wm(["bag", "info", str(path), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["is_complete"] and told["metadata"] == {"mode": "lockstep"}
    assert told["topics"][1] == {
        "topic": "/shaken",
        "type": "tests_msgs/msg/Shaken",
        "messages": 4,
        "lost": 0,
        "publishers": 1,
    }
    wm(["bag", "info", str(path)], standalone_mode=False)
    assert "mode: lockstep" in capsys.readouterr().out


def test_the_first_difference_of_nested_fields_is_found():
    one, other = joint_state(1), joint_state(1)
    assert first_difference(one, other) is None
    other.position[1] = 2.0
    assert first_difference(one, other) == Difference("position[1]", 1e-9, 2.0)
    assert first_difference(one, other, without=("position",)) is None
    other.header.stamp.nanosec = 5
    assert first_difference(one, other).field == "header.stamp.nanosec"
    nothing = [], [], m.Path(m.header(0), []), [], "", np.empty(0, np.uint32)
    goals = [m.Goal(m.header(0), 1, names, *nothing) for names in (["a"], [])]
    assert first_difference(*goals) == Difference("number of cameras", 1, 0)
    none, some = (m.joint_state(["a"], values, 0) for values in ([], [1.0]))
    assert first_difference(none, some) == Difference("shape of position", [0], [1])
    assert msgspec.json.encode(first_difference(*goals))
