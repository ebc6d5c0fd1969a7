"""The soak: which faults happen, how they are judged, and a short one of a real run."""

import os
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from node_bench import envelope
from toys import new_domain_name

from wm_planner.bench.soak import faults as f
from wm_planner.bench.soak import link
from wm_planner.bench.soak.injection import largest_file
from wm_planner.bench.soak.leftovers import Leftovers
from wm_planner.bench.soak.observer import Point, prolonged
from wm_planner.bench.soak.recovery import Recovery
from wm_planner.bench.soak.report import markdown
from wm_planner.bench.soak.robots import robot_of
from wm_planner.bench.soak.runs import linked, timing_of
from wm_planner.bench.soak.session import SessionResult
from wm_planner.bench.soak.soak import sessions_log, soak
from wm_planner.bench.soak.verdict import Verdict, hold_limit_s, hold_s, largest_jump
from wm_planner.clock import nanoseconds
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.errors import ConfigError
from wm_planner.launching import file as launch_file
from wm_planner.launching.run import recorded_to
from wm_planner.messaging import topics
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.wire import Delivery

NODES = ("simulator", "perception", "planner", "controller", "recorder")
STEP_S = 0.01


def car():
    return robot_of(launch_file.load(launch_file.find("drive_merge"), "x"))


def arm():
    return robot_of(launch_file.load(launch_file.find("panda_reach"), "x"))


def points(values, step_s=STEP_S, sender=1, since_s=0.0):
    stamps = [nanoseconds(since_s + step_s * index) for index in range(len(values))]
    return [Point(at, at, sender, 1, np.atleast_1d(value)) for at, value in zip(stamps, values, strict=True)]


def drives(speeds, **how):
    return points([np.array([speed, 0.0]) for speed in speeds], **how)


def verdict(**changed):
    made = Verdict(
        launch="drive_merge",
        number=3,
        faults=(f.Fault("kill", "planner", 0.0),),
        speed=18.0,
        hold_s=0.15,
        receiver_s=None,
        limit_s=0.2,
        jump=0.4,
        recoveries=(Recovery("planner", 5.0, 2.9, 1.9),),
        offset_m=0.1,
        load=4.0,
        notes=(),
    )
    return msgspec.structs.replace(made, **changed)


def test_the_same_seed_gives_the_same_faults_and_another_one_another_order():
    assert f.session_faults(NODES, True, 7) == f.session_faults(NODES, True, 7)
    assert f.session_faults(NODES, True, 7) != f.session_faults(NODES, True, 8)


@pytest.mark.parametrize("seed", range(5))
def test_every_node_is_killed_no_more_often_than_it_is_respawned_and_two_faults_are_of_two_nodes(seed):
    order = f.session_faults(NODES, True, seed)
    counts = Counter(fault.name for faults in order for fault in faults)
    assert {counts[f"kill {node}"] for node in NODES[1:]} == {counts["stop simulator"]} == {2}
    assert "kill simulator" not in counts  # it would end the run
    assert counts["delay link"] == counts["loss link"] == 4
    assert all(len({fault.node for fault in faults}) == len(faults) <= 2 for faults in order)
    assert any(len(faults) == 2 for seed in range(5) for faults in f.session_faults(NODES, True, seed))
    stops = [fault.duration_s for faults in order for fault in faults if fault.kind == "stop"]
    assert 0.3 <= min(stops) <= max(stops) <= 3.0


@pytest.mark.parametrize(
    ("kind", "node", "limit_s"),
    [("kill", "planner", 0.2), ("stop", "simulator", 0.2), ("stop", "controller", 0.3), ("kill", "x", 0.2)],
)
def test_a_robot_must_hold_within_one_period_or_two_without_a_controller(kind, node, limit_s):
    assert hold_limit_s([f.Fault(kind, node, 1.0)], 0.1) == pytest.approx(limit_s)


def test_a_car_brakes_when_its_speed_begins_to_fall():
    cruising, braking = np.full(36, 18.0), 18.0 - 0.04 * np.arange(1, 30)
    commands = drives([*cruising, *braking])
    began, ended = nanoseconds(0.2), nanoseconds(0.6)
    assert hold_s(car(), commands, (), began, ended) == pytest.approx(0.15)
    assert hold_s(car(), commands[:36], (), began, ended) == pytest.approx(0.15)  # what came is not judged
    assert hold_s(car(), drives(np.zeros(60)), (), began, ended) == 0.0


def test_a_car_that_goes_on_or_goes_on_again_does_not_hold():
    crawling = 18.0 - 0.002 * np.arange(60)  # 0.2 m/s^2
    assert hold_s(car(), drives(crawling), (), nanoseconds(0.1), nanoseconds(1.0)) == pytest.approx(0.49)
    again = [*np.full(20, 10.0), *(10.0 - 0.04 * np.arange(20)), *np.full(10, 9.0)]
    assert hold_s(car(), drives(again), (), nanoseconds(0.1), nanoseconds(1.0)) > 0.3


def test_a_car_that_is_placed_while_it_brakes_goes_on_braking():
    speeds = [*(0.5 - 0.04 * np.arange(10)), *(18.0 - 0.04 * np.arange(100))]
    start = (nanoseconds(0.095),)
    assert hold_s(car(), drives(speeds), start, nanoseconds(0.02), nanoseconds(2.0)) == 0.0


def test_an_arm_holds_from_the_time_on_at_which_it_slows_down():
    speeds = np.array([*np.full(20, 0.01), *np.linspace(0.01, 0.0, 10), *np.zeros(20)])
    positions = np.cumsum(speeds)[:, None] * np.ones(7)
    held = hold_s(arm(), points(list(positions)), (), nanoseconds(0.1), nanoseconds(1.0))
    assert held == pytest.approx(0.1, abs=0.011)


def test_the_place_of_a_robot_at_the_start_of_an_episode_is_no_step():
    speeds = [*np.full(20, 2.0), *np.full(20, 18.0)]
    limits = {"states": (), "period_s": 0.1, "rate_hz": 100.0}
    start = (nanoseconds(0.19),)
    assert largest_jump(car(), drives(speeds), starts_ns=(), **limits) > 100
    assert largest_jump(car(), drives(speeds), starts_ns=start, **limits) < 1e-9


def test_a_step_is_a_share_of_what_the_limits_admit_in_its_time():
    robot = car()
    most = robot.limits[0] * STEP_S
    limits = {"states": (), "starts_ns": (), "period_s": 0.1, "rate_hz": 100.0}
    assert largest_jump(robot, drives([5.0, 5.0 + 0.5 * most]), **limits) == pytest.approx(0.5)
    assert largest_jump(robot, drives([5.0, 5.0 + 0.5 * most], step_s=0.02), **limits) == pytest.approx(0.25)


@pytest.mark.parametrize(("first", "share"), [(12.0, 0.0), (12.5, 4.0)])
def test_a_new_controller_begins_from_what_was_measured(first, share):
    robot = car()
    before, after = drives(np.full(10, 18.0)), drives(np.full(10, first), sender=2, since_s=2.0)
    states = [Point(nanoseconds(1.98), nanoseconds(1.985), 9, 1, np.array([12.0, np.nan]))]
    found = largest_jump(robot, [*before, *after], states, (), 0.1, 100.0)
    assert found == pytest.approx(share * 0.5 / (4.0 * robot.limits[0] * 0.02) if share else 0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hold_s": 0.21}, "hold after 0.210 s, limit 0.2 s"),
        ({"receiver_s": 0.5}, "receiver holds after 0.500 s, limit 0.2 s"),
        ({"jump": 1.2}, "jump of 1.20 limits"),
        ({"offset_m": 3.18}, "3.18 m from the route"),
        ({"recoveries": (Recovery("planner", 5.0, 3.1, 1.9),)}, "planner used 1.20 s of CPU"),
    ],
    ids=["hold", "receiver", "jump", "route", "recovery"],
)
def test_what_is_beyond_a_limit_is_a_miss_by_name(changed, words):
    assert verdict().misses == ()
    missed = verdict(**changed)
    assert words in missed.misses[0]
    report = markdown([SessionResult("drive_merge", (verdict(), missed), True, (), "")])
    assert "drive_merge, kill planner at 18.00, load 4" in report and words in report
    assert "Missed by 1 of 2" in report


def test_a_car_without_a_controller_brakes_wherever_its_wheels_point_to():
    faults = (f.Fault("stop", "controller", 1.0),)
    assert verdict(offset_m=3.0, faults=faults, hold_s=None, receiver_s=0.1).misses == ()


def test_a_report_tells_what_was_left_behind_and_why_a_run_ended():
    report = markdown([SessionResult("panda_reach", (verdict(),), False, ("process 7: python",), "it broke")])
    assert "panda_reach: left behind process 7: python" in report
    assert "the run ended early: it broke" in report


def test_the_files_of_a_full_disk_are_those_that_are_written(tmp_path):
    sizes = {"read": 30_000_000, "written": 20_000_000}
    for name, size in sizes.items():
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size)
    shared = os.memfd_create("slots")
    try:
        os.truncate(shared, 40_000_000)
        with (tmp_path / "read").open("rb"), (tmp_path / "written").open("ab"):
            assert largest_file(os.getpid()) == sizes["written"]
    finally:
        os.close(shared)


def test_a_car_beyond_the_end_of_its_route_is_as_far_from_it_as_it_is_beside_it():
    line = Centreline(prolonged(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]), 100.0))
    off = [float(line.project(np.array(place)).d) for place in ((-50.0, 1.0), (12.0, 90.0))]
    assert np.abs(off) == pytest.approx([1.0, 2.0])


def test_a_domain_that_stays_is_left_over(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    domain = Domain.named(new_domain_name())
    leftovers = Leftovers(domain)
    assert leftovers.find() == ()
    domain.open()
    (domain.path / "planner-1.pub").touch()
    assert leftovers.find() == (f"{domain.path} with planner-1.pub",)


def test_a_linked_run_sends_sensors_plans_and_commands_through_the_link():
    spec = linked(launch_file.load(launch_file.find("panda_reach"), "x", ["clock=realtime"]))
    remaps = {node.name: set(node.remap) for node in spec.nodes}
    assert {"/joint_states", "/camera/front/image_raw"} <= remaps["simulator"]
    assert (remaps["planner"], remaps["controller"]) == ({"/plan"}, {"/command", "/action"})
    passing = next(node for node in spec.nodes if node.name == f.LINK)
    assert set(passing.params["topics"]) == set().union(*remaps.values())
    recorded = recorded_to(spec, Path("there.mcap"))
    assert [node.params["path"] for node in recorded.nodes if node.name == "recorder"] == ["there.mcap"]


def test_the_period_and_the_rate_are_those_of_the_controller():
    assert timing_of(launch_file.load(launch_file.find("drive_merge"), "x")) == (0.1, 100.0)


@pytest.fixture
def made_link(bench):
    return bench(link.__file__, "realtime", topics=("/plan", "/goal"))


def passed(made, count, topic="/plan"):
    """Send messages through a link; the numbers of those that come out, and when, in ms."""
    sent = []
    made.node.out = {link.direct(t): _Out(sent, made.clock) for t in ("/plan", "/goal")}
    began = made.clock.now_ns()
    for number in range(count):
        type_name = topics.find(topic).type
        made.node.take(Delivery(link.direct(topic), type_name, envelope(), bytes([number % 256])))
    for _ in range(300):
        made.clock.set_ns(made.clock.now_ns() + nanoseconds(0.001))
        made.node.spin_once()
    return [(number, (at - began) / 1e6) for number, at in sent]


class _Out:
    def __init__(self, sent, clock):
        self.sent, self.clock = sent, clock

    def publish_raw(self, data, origin_ns):
        self.sent.append((data[0], self.clock.now_ns()))


def test_a_link_passes_everything_on_at_once(made_link):
    assert passed(made_link, 5) == [(number, 1.0) for number in range(5)]


def test_a_link_delays_messages_and_keeps_their_order(made_link):
    made_link.node.change(msgspec.structs.replace(made_link.node.params, delay_s=0.2))
    found = passed(made_link, 50)
    assert [number for number, _ in found] == list(range(50))
    times = [at for _, at in found]
    assert times == sorted(times) and 100 < times[-1] <= 201


def test_a_link_loses_a_share_of_the_messages_but_none_that_is_latched(made_link):
    made_link.node.change(msgspec.structs.replace(made_link.node.params, loss=0.3))
    assert 120 < len(passed(made_link, 200)) < 160
    assert len(passed(made_link, 100, "/goal")) == 100


def test_a_log_of_another_version_is_refused_with_its_line(tmp_path):
    assert not sessions_log(tmp_path).lines
    (tmp_path / "sessions.jsonl").write_bytes(
        msgspec.json.encode(SessionResult("x", (), True, (), "")) + b'\n{"launch": 3}\n'
    )
    with pytest.raises(ConfigError, match=r"sessions.jsonl, line 2: .*wanted a run of this version"):
        sessions_log(tmp_path)


def test_a_report_of_a_folder_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"none/sessions.jsonl: wanted a file in a folder that exists"):
        sessions_log(tmp_path / "none")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("launch", "overrides"), [("panda_reach", ["steps=15"]), ("drive_merge", ["steps=600"])]
)
def test_a_soak_of_one_run_leaves_nothing_behind_and_goes_on_from_its_log(
    tmp_path, monkeypatch, own_machine, launch, overrides
):
    monkeypatch.setattr(f, "_ROUNDS", 1)
    (session,) = soak(launch, overrides, 5, 0, tmp_path / launch)
    assert session.end == "" and session.leftovers == ()
    assert session.verdicts[-1].name == "kill simulator"
    assert not [verdict.misses for verdict in session.verdicts if verdict.misses]
    assert list(soak(launch, overrides, 5, 0, tmp_path / launch)) == [session]
