import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import msgspec
import pytest
from toy_run import Run, processes_of
from toys import PATIENCE_S, until

from wm_planner.clock import nanoseconds
from wm_planner.errors import ConfigError, MessagingError, NodeError
from wm_planner.launching.activation import readers_of
from wm_planner.launching.file import OnHang
from wm_planner.launching.respawn import MAX_RESPAWNS, WINDOW_S, Respawns
from wm_planner.launching.startup import START_S, StartupWatch
from wm_planner.messaging.domain import Domain, Endpoint
from wm_planner.recording.player import Player


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path)
    yield run
    assert run.is_clean


def test_a_run_loses_nothing_from_the_first_message_to_the_last(run):
    run.params("talker", ticks=50, stall_s=60.0)
    result = run.go()
    assert (result.status, result.reason) == ("finished", "node 'talker' has finished")
    assert {name: run.kinds(name) for name in run.nodes} == {
        "talker": ["started", "active", "finished"],
        "answerer": ["started", "active", "stopped"],
        "recorder": ["started", "active", "stopped"],
    }
    player = Player(run.recording)
    assert player.is_complete and sum(player.gaps.values()) == 0 and player.metadata["gaps"] == "0"
    sent = {
        topic: count for topic, count in player.counts.items() if topic != "/diagnostics"
    }  # one per second
    assert sent == {"/goal": 1, "/camera/front/image_raw": 50, "/joint_states": 50, "/command": 50}
    assert [recorded.stamp_ns for recorded in player.messages(["/command"])] == list(range(50))


def test_nodes_of_a_namespace_and_one_that_is_remapped_into_it_hear_each_other(run):
    run.params("talker", ticks=5, stall_s=60.0)
    run.rename("talker", "left")
    run.rename("answerer", "left", command="/right/command")
    run.rename("talker", "left", command="/right/command")
    assert run.go().status == "finished"
    assert Player(run.recording).counts["/right/command"] == 5
    assert Player(run.recording).counts["/left/joint_states"] == 5


def test_a_topic_that_is_remapped_and_does_not_exist_ends_the_run_by_name(run):
    run.rename("answerer", "", comand="/left/command")
    with pytest.raises(NodeError, match="remap: the node has no topic '/comand', did you mean '/command'"):
        run.go()


@pytest.mark.slow
def test_a_killed_node_is_respawned_and_gets_its_latched_message_at_once(run):
    run.params("talker", ticks=4000)

    killed = []

    def kill_once() -> None:
        if not killed and "goal 7" in run.log("answerer"):
            killed.append(process_of(run, "answerer"))
            os.kill(killed[0], signal.SIGKILL)

    assert run.supervisor().run(kill_once).status == "finished"
    assert run.kinds("answerer") == ["started", "active", "died", "respawned", "active", "stopped"]
    assert [event.detail for event in run.events if event.kind == "died"] == ["signal SIGKILL"]
    assert run.log("answerer").count("goal 7") == 2
    stamps = {recorded.stamp_ns for recorded in Player(run.recording).messages(["/command"])}
    assert stamps == set(range(4000))


def process_of(run: Run, node: str) -> int:
    """The number of the process that a node has now."""
    return next(endpoint.pid for endpoint in Domain.named(run.domain).endpoints() if endpoint.name == node)


LAUNCHER = """
import sys
from pathlib import Path
import msgspec
from wm_planner.launching.file import LaunchSpec
from wm_planner.launching.supervisor import Supervisor
folder, domain, spec = sys.argv[1:]
spec = msgspec.json.decode(spec, type=LaunchSpec, dec_hook=lambda kind, value: kind(value))
result = Supervisor(spec, Path(folder), domain, print, stop_s=60.0).run()
print(result.status, result.reason)
"""


def launcher(run: Run) -> subprocess.Popen:
    """The run as a process, as the command line would start it."""
    spec = msgspec.json.encode(run.spec, enc_hook=str)
    command = [sys.executable, "-c", LAUNCHER, str(run.folder / "run"), run.domain, spec]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_until_all_are_active(run: Run) -> None:
    domain = Domain.named(run.domain)
    until(lambda: [endpoint.state for endpoint in domain.endpoints()] == ["active"] * len(run.nodes))


def test_an_interrupt_stops_every_node_and_closes_the_recording(run):
    run.params("talker", ticks=10**9)
    process = launcher(run)
    wait_until_all_are_active(run)
    until(lambda: run.recording.is_file() and Player(run.recording).counts["/command"] > 0, every_s=0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and output.endswith("interrupted SIGINT\n")
    assert "'killed'" not in output and output.count("kind='stopped'") == len(run.nodes)
    player = Player(run.recording)
    assert player.is_complete and sum(player.gaps.values()) == 0


def test_a_node_that_ignores_the_request_to_stop_is_killed(run):
    run.params("talker", ticks=50, stall_s=60.0)
    run.deafen_answerer()
    assert run.supervisor(stop_s=5.0).run().status == "finished"
    assert run.events[-2][1:4] == ("answerer", "killed", "did not end within 5 s")
    assert run.kinds("recorder")[-1] == "stopped" and Player(run.recording).is_complete


class ShiftedClock:
    """The machine's clock, put forward."""

    shift_ns = 0

    def now_ns(self) -> int:
        return time.monotonic_ns() + self.shift_ns


def test_a_second_interrupt_kills_at_once(run):
    run.params("talker", ticks=10**9)
    run.deafen_answerer()
    process = launcher(run)
    wait_until_all_are_active(run)
    process.send_signal(signal.SIGINT)
    domain = Domain.named(run.domain)
    until(lambda: "talker" not in {endpoint.name for endpoint in domain.endpoints()})  # it obeys the first
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert "'killed', detail='interrupted again'" in output
    assert output.endswith("interrupted SIGINT\n")


def test_a_suspended_node_is_resumed_so_that_it_can_end(run):
    run.params("talker", ticks=10**9)
    process = launcher(run)
    wait_until_all_are_active(run)
    os.kill(process_of(run, "answerer"), signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert "'killed'" not in output and "node='answerer', kind='stopped'" in output
    assert Player(run.recording).is_complete


def go_with_suspended_answerer(run: Run, on_hang: OnHang, is_over: Callable[[], bool]) -> None:
    """Suspend the answerer of a run once, as soon as it has a goal, and end the run once `is_over`."""
    run.params("talker", ticks=10**9)
    run.on_hang("answerer", on_hang)
    supervisor, suspended = run.supervisor(), []

    def step() -> None:
        if not suspended and "active" in run.kinds("answerer") and "goal 7" in run.log("answerer"):
            suspended.append(process_of(run, "answerer"))
            os.kill(suspended[0], signal.SIGSTOP)
        if is_over():
            supervisor.interrupt("seen")

    assert supervisor.run(step).reason == "seen"


def test_a_suspended_node_is_restarted_and_gets_its_latched_message_again(run):
    go_with_suspended_answerer(run, "restart", lambda: run.log("answerer").count("goal 7") == 2)
    assert run.kinds("answerer")[:5] == ["started", "active", "hung", "respawned", "active"]
    [hung] = [event for event in run.events if event.kind == "hung"]
    assert re.fullmatch(
        r"is suspended \(SIGSTOP\), its loop has not turned for \d\.\d\d s: restarted", hung.detail
    )
    assert f"supervisor: answerer {hung.detail}" in run.log("answerer")


def test_the_run_waits_for_a_suspended_node_that_is_to_be_held_and_says_when_it_goes_on(run):
    def has_resumed() -> bool:
        if run.kinds("answerer")[-1:] == ["hung"]:
            os.kill(process_of(run, "answerer"), signal.SIGCONT)
        return "resumed" in run.kinds("answerer")

    go_with_suspended_answerer(run, "hold", has_resumed)
    assert run.kinds("answerer") == ["started", "active", "hung", "resumed", "stopped"]


def test_a_callback_that_sleeps_ends_the_run_where_its_node_says_so_and_the_log_shows_where(run):
    run.change_answerer("self.goal = goal.id", "self.goal = goal.id; import time; time.sleep(1e6)")
    run.on_hang("answerer", "stop")
    with pytest.raises(
        NodeError, match=r"'answerer': sleeps in a callback, its loop has not turned .* \(log"
    ):
        run.supervisor(stop_s=5.0).run()
    assert "in on_goal" in run.log("answerer")
    assert [event.is_fatal for event in run.events if event.kind == "hung"] == [True]


def test_a_callback_may_wait_for_as_long_as_it_tells(run):
    waits = "with self.heartbeat.waits(1e6): import time; time.sleep(1.0)"
    run.change_answerer("self.goal = goal.id", f"self.goal = goal.id\n        {waits}")
    run.on_hang("answerer", "stop")
    run.params("talker", ticks=5, stall_s=60.0)
    assert run.go().status == "finished"
    assert run.kinds("answerer") == ["started", "active", "stopped"]


def test_a_node_that_cannot_start_ends_the_run_with_reason_and_place(run):
    run.change_answerer("self.goal = 0", "self.goal = [][0]", respawn="on-failure")
    reason = r"'answerer': exit code 1: IndexError: list index out of range \(answerer\.py, line \d+\) \(log"
    with pytest.raises(NodeError, match=reason):
        run.go()
    assert run.kinds("answerer") == ["started", "died"]
    assert [event.node for event in run.events if event.is_fatal] == ["answerer"]
    assert run.kinds("talker") == ["started", "stopped"]  # never activated


def test_a_slow_start_names_the_nodes_that_are_awaited_and_ends_in_an_error(run):
    run.change_answerer("self.goal = 0", "self.goal = 0; import time; time.sleep(1e6)")
    clock, lines, domain = ShiftedClock(), [], Domain.named(run.domain)
    supervisor = run.supervisor(on_wait=lines.append, clock=clock)

    def pass_the_time_to_start() -> None:
        states = {endpoint.name: endpoint.state for endpoint in domain.endpoints()}
        if states == {"talker": "inactive", "recorder": "inactive", "answerer": "unconfigured"}:
            clock.shift_ns = nanoseconds(START_S if any("configuring" in line for line in lines) else 60.0)

    with pytest.raises(
        NodeError,
        match=r"^not active within 120 s: answerer \(configuring\); see where they are in .*answerer\.log;",
    ):
        supervisor.run(pass_the_time_to_start)
    assert any(line.startswith("waiting for answerer (configuring) for ") for line in lines)
    assert "configuring" in run.log("answerer")
    assert run.kinds("talker") == ["started", "stopped"]


def test_a_wait_is_reported_ever_more_rarely():
    watch = StartupWatch()
    nodes = {"planner": "importing its program", "recorder": "configuring"}
    told = {now_s: watch.line(now_s, nodes) for now_s in range(100)}
    assert [now_s for now_s, line in told.items() if line] == [10, 20, 40, 80]
    assert told[10] == "waiting for planner (importing its program), recorder (configuring) for 10 s"
    assert watch.line(101, {}) == watch.line(105, nodes) == ""  # another wait
    assert watch.line(115, nodes)


def test_no_node_outlives_a_killed_supervisor(run):
    run.params("talker", ticks=10**9)
    process = launcher(run)
    wait_until_all_are_active(run)
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not processes_of(run.domain))
    Domain.named(run.domain).claim()  # what is left of the domain does not stop the next run
    Domain.named(run.domain).remove()


def test_invalid_parameters_end_the_run_with_the_error_of_the_node(run):
    run.params("answerer", gain="big")
    with pytest.raises(
        NodeError, match=r"node 'answerer': answerer: params\.gain: got 'big', wanted a number"
    ):
        run.go()
    assert run.kinds("answerer") == ["started", "died"]


def test_a_node_that_fails_without_respawn_ends_the_run(run):
    run.break_answerer(respawn="never")
    with pytest.raises(
        NodeError,
        match=r"'answerer': exit code 1: ZeroDivisionError: no \(answerer\.py, line \d+\) \(log: .*\.log",
    ):
        run.go()
    assert Player(run.recording).is_complete


def test_on_a_full_disk_the_run_goes_on_without_its_recorder_and_fails_at_its_end(run):
    run.params("talker", ticks=150, pixels=256)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(
            NodeError, match=r"'recorder': while stopping: .*all\.mcap: writing failed .* is read"
        ):
            run.go()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    player = Player(run.recording)
    assert player.is_complete and 5 < player.counts["/joint_states"] < 150
    assert sum(player.gaps.values()) == 0
    assert run.kinds("talker")[-1] == "finished" and run.kinds("recorder") == ["started", "active", "died"]


@pytest.mark.slow
def test_a_node_that_keeps_failing_is_given_up(run):
    run.break_answerer(respawn="on-failure")
    often = f"failed more than {MAX_RESPAWNS} times in {WINDOW_S:g} s"
    with pytest.raises(NodeError, match=f"{often}, at last with exit code 1: ZeroDivisionError: no"):
        run.go()
    assert run.kinds("answerer").count("respawned") == MAX_RESPAWNS


def test_a_domain_in_use_is_refused_before_anything_is_started(run):
    domain = Domain.named(run.domain)
    domain.claim()
    with pytest.raises(MessagingError, match=f"in use by process {os.getpid()}"):
        run.go()
    assert run.events == [] and not (run.folder / "run").exists()
    domain.remove()


def test_a_folder_that_cannot_be_created_is_reported(run):
    (run.folder / "run").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be made"):
        run.go()


def test_a_run_can_be_interrupted_from_another_thread_or_callback(run):
    run.params("talker", ticks=10**9)
    supervisor = run.supervisor()

    def interrupt_once_active() -> None:
        until(lambda: "active" in run.kinds("talker"))
        supervisor.interrupt("enough")

    thread = threading.Thread(target=interrupt_once_active)
    thread.start()
    result = supervisor.run()
    thread.join()
    assert (result.status, result.reason) == ("interrupted", "enough")


def endpoint(name: str, publishes: str, *subscribes: str) -> Endpoint:
    return Endpoint(
        name=name,
        publisher_id=1,
        pid=1,
        started=1,
        address="",
        control="",
        state="inactive",
        publishes=dict.fromkeys(publishes.split(), "RIHS01_0"),
        subscribes=subscribes,
        published={},
    )


def test_a_publisher_waits_for_the_readers_of_its_topics():
    nodes = [
        endpoint("simulator", "/clock /goal /diagnostics", "/command"),
        endpoint("perception", "/latent /diagnostics", "/goal"),
        endpoint("recorder", "/diagnostics", "*"),
        endpoint("second", "", "/goal"),
    ]
    by_name = {node.name: node for node in nodes}
    assert readers_of(nodes[0], by_name) == {"/clock": 1, "/goal": 3, "/diagnostics": 1}
    assert readers_of(nodes[2], by_name) == {}


def test_respawns_back_off_and_are_limited():
    respawns = Respawns()
    assert [respawns.next_delay_s(now) for now in range(MAX_RESPAWNS)] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert respawns.next_delay_s(10.0) is None
    assert respawns.next_delay_s(WINDOW_S + 0.5) is not None
