import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque

import pytest
from toys import PATIENCE_S, Peers, joint_state, matched, new_domain_name, picture, receive, until, write_toys

from wm_planner.clock import ManualClock, nanoseconds
from wm_planner.config import Config
from wm_planner.errors import MessagingError, NodeError
from wm_planner.messaging import codec, wire
from wm_planner.messaging import messages as m
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.control import Activate, ControlClient
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.node import Node
from wm_planner.node.health import Input
from wm_planner.node.program import run_on_when_others_wake
from wm_planner.node.subscriptions import Join, Tap, TopicSubscription
from wm_planner.node.timers import Timer


def delivery(topic: str, message: m.Message, origin_ns: int = 0) -> Delivery:
    """A message as the bus would hand it over."""
    return Delivery(topic, codec.type_of(message), Envelope(1, origin_ns, 0, 1, 0), codec.encode(message))


def joint(stamp_ns: int, origin_ns: int = 0) -> Delivery:
    return delivery("/joint_states", joint_state(stamp_ns), origin_ns)


def camera(stamp_ns: int, origin_ns: int = 0) -> Delivery:
    return delivery("/camera/front/image_raw", picture(stamp_ns), origin_ns)


@pytest.fixture
def join():
    return Join(["/joint_states", "/camera/front/image_raw"], lambda messages, envelope: None, False)


def test_a_join_completes_on_equal_stamps_in_any_order(join):
    assert join.offer(joint(1)) == () and join.offer(camera(2)) == ()
    assert [d.topic for d in join.offer(camera(1))] == ["/joint_states", "/camera/front/image_raw"]
    assert len(join.offer(joint(2))) == 2


def test_a_join_reports_the_difference_of_stamps_that_never_match(join):
    for stamp in (100_000_000, 200_000_000):
        join.offer(joint(stamp))
        assert not join.mismatch
        join.offer(camera(stamp + 2_000_000))
    assert "/joint_states and /camera/front/image_raw never have the same stamp" in join.mismatch
    assert "they differ by 2 ms" in join.mismatch
    join.offer(camera(200_000_000))
    assert not join.mismatch


def test_a_join_reports_a_topic_without_messages(join):
    for tick in range(1, 5):
        join.offer(joint(tick))
    assert "no messages on /camera/front/image_raw" in join.mismatch


def test_a_join_delivers_messages_and_the_oldest_origin(join):
    join.offer(joint(1, origin_ns=5))
    messages, envelope = join.open(join.offer(camera(1, origin_ns=3)))
    assert m.stamp_ns(messages["/joint_states"]) == m.stamp_ns(messages["/camera/front/image_raw"]) == 1
    assert envelope.origin_ns == 3


def test_a_tick_that_is_repeated_as_a_whole_completes_again(join):
    join.offer(joint(1))
    assert join.offer(camera(1))
    assert join.offer(joint(1)) == ()
    assert join.offer(camera(1))


def test_incomplete_sets_older_than_a_complete_one_are_dropped(join):
    join.offer(joint(1))
    join.offer(joint(2))
    assert join.offer(camera(2))
    assert join.offer(camera(1)) == ()


def test_a_join_keeps_no_more_than_a_few_incomplete_sets(join):
    for stamp in range(100):
        join.offer(joint(stamp))
    assert join.offer(camera(0)) == ()
    assert join.offer(camera(99))


def test_topics_without_a_stamp_cannot_be_joined():
    unstamped = Join(["/clock", "/joint_states"], lambda messages, envelope: None, False)
    assert unstamped.takes("/clock")  # a clock is its own stamp
    with pytest.raises(MessagingError, match="unknown topic"):
        Join(["/nowhere"], lambda messages, envelope: None, False)


def test_an_input_is_dead_after_ten_silent_periods():
    clock = ManualClock()
    heard = Input(clock, rate_hz=10.0)
    assert heard.health() == (False, False, True)
    for tick in range(30):
        clock.set_ns(nanoseconds(tick * 0.1))
        heard.receive()
    assert heard.health().ok
    clock.set_ns(clock.now_ns() + nanoseconds(0.99))
    assert heard.health().alive
    clock.set_ns(clock.now_ns() + nanoseconds(0.02))
    assert not heard.health().alive and heard.age_s() == pytest.approx(1.01)


@pytest.mark.parametrize(
    ("period_s", "is_ok"), [(0.1, True), (0.085, True), (0.12, True), (0.08, False), (0.15, False)]
)
def test_a_rate_is_ok_within_a_fifth(period_s, is_ok):
    clock = ManualClock()
    heard = Input(clock, rate_hz=10.0)
    for tick in range(30):
        clock.set_ns(nanoseconds(tick * period_s))
        heard.receive()
    assert heard.health().rate_ok is is_ok


def test_an_input_without_a_rate_is_alive_after_its_first_message():
    heard = Input(ManualClock(), rate_hz=None)
    assert not heard.health().alive
    heard.receive()
    assert heard.health().ok
    heard.reject()
    assert not heard.health().valid


def test_a_timer_skips_missed_periods():
    clock, due_s = ManualClock(), []
    timer = Timer(clock, 1.0, lambda: None)
    for now_s in (0.5, 1.0, 1.5, 4.2, 4.9, 5.0):
        clock.set_ns(nanoseconds(now_s))
        due_s += [now_s] * timer.take_turn()
    assert due_s == [1.0, 4.2, 5.0]
    timer.restart()
    assert timer.left_s() == 1.0


def test_a_timer_tells_that_it_is_late_and_never_twice_in_a_row():
    clock, told = ManualClock(), []
    timer = Timer(clock, 1.0, lambda: None)
    for now_s in (1.0, 2.5, 5.0, 8.0, 11.0, 12.0):
        clock.set_ns(nanoseconds(now_s))
        assert timer.take_turn()
        told.append(timer.is_late)
    assert told == [False, False, True, False, True, False]


class Follower(Node):
    """Takes note of all it gets."""

    class Params(Config, frozen=True, kw_only=True):
        """None is needed."""

    def configure(self):
        self.seen = []
        self.plan_path = self.publisher("/plan_path")
        self.subscribe("/joint_states", lambda message, envelope: self.seen.append(m.stamp_ns(message)), 10.0)
        self.subscribe("/episode", lambda message, envelope: self.seen.append(f"episode {message.id}"))


@pytest.fixture
def peers(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    peers = Peers(Domain.named("d"))
    yield peers
    peers.close()


def started(peers: Peers, mode) -> tuple[Follower, Bus]:
    """A follower and a bus that it reads from."""
    node = Follower(peers.add("follower"), Follower.Params(), mode)
    node.configure()
    node.enter("inactive")
    sender = peers.join("sender", "/joint_states /episode", "/diagnostics")
    matched(sender, node.bus, "/joint_states")
    matched(sender, node.bus, "/episode")
    sender.refresh()
    node.bus.wait_for_readers({"/diagnostics": 1}, PATIENCE_S)
    return node, sender


def send_all(sender: Bus, node: Node) -> None:
    """Five messages, which the node's bus has all taken in when this returns."""
    for stamp in (1, 2):
        sender.publish("/joint_states", joint_state(stamp))
    sender.publish("/episode", m.running_episode(1, 0))
    sender.publish("/joint_states", joint_state(3))
    sender.publish("/episode", m.running_episode(2, 0))
    arrived = deque(receive(node.bus, sender) for _ in range(5))
    node.bus.receive = lambda: arrived.popleft() if arrived else None


def test_lockstep_delivers_everything_in_order(peers):
    node, sender = started(peers, "lockstep")
    send_all(sender, node)
    node.start()
    node.spin_once()
    assert node.seen == [1, 2, "episode 1", 3, "episode 2"]


def test_realtime_delivers_the_newest_message_and_every_event(peers):
    node, sender = started(peers, "realtime")
    send_all(sender, node)
    node.start()
    node.spin_once()
    assert node.seen == ["episode 1", 3, "episode 2"]
    assert node.inputs["/joint_states"].count == 3


def test_nothing_is_called_after_a_node_has_finished(peers):
    node, sender = started(peers, "realtime")
    node.subscribe("/episode", lambda message, envelope: node.finish("enough"))
    send_all(sender, node)
    node.start()
    node.spin_once()
    assert node.finished == "enough" and node.seen == ["episode 1"]


def test_a_truncated_message_is_dropped_and_makes_its_input_invalid(peers):
    node, _ = started(peers, "lockstep")
    node.start()
    node._dispatch(iter([joint(1)._replace(data=b"\0\1\0\0abc")]))
    assert node.seen == [] and not node.inputs["/joint_states"].health().valid


def test_a_node_publishes_only_while_it_is_active(peers):
    node, _ = started(peers, "lockstep")
    path = m.Path(m.header(0), [])
    with pytest.raises(NodeError, match="publishes /plan_path while inactive"):
        node.plan_path.publish(path)
    node.start()
    node.plan_path.publish(path)


def test_diagnostics_report_the_health_of_every_input(peers):
    node, sender = started(peers, "realtime")
    node.start()
    node.diagnostics["plan p99 [s]"] = "0.01"
    node._publish_diagnostics()
    (status,) = receive(sender).message().status
    assert (status.name, status.level) == ("follower", m.DiagnosticStatus.WARN)
    assert status.message.startswith("/joint_states not alive, /joint_states not rate_ok")
    values = {pair.key: pair.value for pair in status.values}
    assert values["plan p99 [s]"] == "0.01" and values["/joint_states messages"] == "0"


def test_stamps_that_never_meet_are_warned_of_once_and_told_in_the_diagnostics(peers, caplog):
    node, sender = started(peers, "lockstep")
    node.join(["/joint_states", "/camera/front/image_raw"], lambda messages, envelope: None)
    joined = node._subscriptions[-1]
    node.start()
    for tick in range(1, 8):
        node._offer(joined, joint(tick * 100))
        node._offer(joined, camera(tick * 100 + 5))
    assert caplog.text.count("never have the same stamp, they differ by") == 1
    node._publish_diagnostics()
    (status,) = receive(sender).message().status
    assert status.level == m.DiagnosticStatus.WARN and "never have the same stamp" in status.message


def test_subscriptions_know_their_topics():
    subscription = TopicSubscription("/clock", lambda message, envelope: None, True)
    assert subscription.takes("/clock") and not subscription.takes("/plan")
    assert Tap(wire.ANY, lambda delivery: None).takes("/plan")


def program(folder, name, arguments) -> subprocess.Popen:
    """A toy node as a process."""
    write_toys(folder)
    command = [sys.executable, str(folder / f"{name}.py"), arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_a_program_ends_on_sigterm(tmp_path):
    name = new_domain_name()
    process = program(tmp_path, "answerer", json.dumps({"domain": name}))
    domain = Domain.named(name)
    until(lambda: [endpoint.state for endpoint in domain.endpoints()] == ["active"])
    assert {path.suffix for path in domain.path.iterdir()} == {".json", ".pub", ".ctl"}
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and "finished: stopped by a signal" in log
    assert not domain.path.exists()


def test_a_node_that_is_stopped_does_not_wait_for_readers_that_never_come(tmp_path):
    name = new_domain_name()
    process = program(tmp_path, "answerer", json.dumps({"domain": name, "supervisor": os.getpid()}))
    domain, client = Domain.named(name), ControlClient()
    until(lambda: [endpoint.state for endpoint in domain.endpoints()] == ["inactive"])
    client.ask("answerer", domain.endpoints()[0].control, Activate(readers={"/command": 1}))
    log = iter(process.stderr.readline, "")
    assert any("waiting for readers of /command" in line for line in log)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    client.close()
    assert process.returncode == 0


def test_a_slow_cleanup_is_not_taken_for_a_callback_that_hangs(tmp_path):
    write_toys(tmp_path)
    toy = tmp_path / "answerer.py"
    toy.write_text(toy.read_text().replace("    def on_goal", CLEANUP + "    def on_goal"))
    name = new_domain_name()
    command = [sys.executable, str(toy), json.dumps({"domain": name})]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: [endpoint.state for endpoint in Domain.named(name).endpoints()] == ["active"])
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=PATIENCE_S)
    assert "deactivate: alarm True" in log and "cleanup: alarm False" in log


CLEANUP = """
    def deactivate(self):
        self.log.info("deactivate: alarm %s", self.is_alarm_set())

    def cleanup(self):
        self.log.info("cleanup: alarm %s", self.is_alarm_set())

    def is_alarm_set(self):
        import signal

        return signal.getitimer(signal.ITIMER_REAL)[0] > 0

"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"params": {"gian": 1}}', "answerer: params: unknown key 'gian', did you mean 'gain'"),
        ('{"params": {"gain": "big"}}', "answerer: params.gain: got 'big', wanted a number"),
        ('{"mode": "fast"}', "answerer.mode: got 'fast', known: lockstep, realtime"),
        ("gain=1", "answerer: the argument is not a JSON object"),
        ('{"domain": "a/b"}', "domain 'a/b': wanted a name"),
    ],
)
def test_invalid_arguments_of_a_program_end_in_one_line_and_exit_code_2(tmp_path, arguments, words):
    process = program(tmp_path, "answerer", arguments)
    _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert log.startswith(f"error: {words}") and log.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the policy is Linux's")
def test_threads_of_a_node_in_lockstep_do_not_interrupt_each_other():
    policies = []

    def start():
        run_on_when_others_wake()
        thread = threading.Thread(target=lambda: policies.append(os.sched_getscheduler(0)))
        thread.start()
        thread.join()

    node = threading.Thread(target=start)  # not this thread, which would keep the policy
    node.start()
    node.join()
    assert policies == [os.SCHED_BATCH]
