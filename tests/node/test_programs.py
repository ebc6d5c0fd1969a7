"""The node programs of the shelf, driven by hand: messages in, messages out, no other process."""

import re

import msgspec
import numpy as np
import pytest
from arm_messages import BUNDLE, HOME, TICK, controller, joint_states, plan, spin
from node_bench import envelope
from point_mass import act_graph, make_card, write_bundle

from wm_planner import plugins, share
from wm_planner.bridges.messages import camera_topic, goal_message, latent_message
from wm_planner.clock import nanoseconds
from wm_planner.contracts.card import ActionSpec, ObservationSpec, PolicySpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.simulator import StepResult
from wm_planner.control.emergency_stop import EmergencyStop
from wm_planner.errors import ConfigError, InputError, NodeError, PluginError
from wm_planner.launching.program_file import node_class
from wm_planner.messaging import messages as m

NOW = nanoseconds(100.0)
"""What a bench's clock shows at first; in realtime stamps are its."""


def command(stamp_ns, q):
    return m.joint_trajectory([f"joint{i}" for i in range(1, 8)], np.asarray(q)[None], 0.12, stamp_ns)


def simulator(bench, **params):
    return bench("simulator", scene="sim/panda_reach.py", episodes=2, steps=3, **params)


def test_a_parameter_that_can_change_takes_effect_at_once(bench):
    made = controller(bench)
    made.node.change(msgspec.structs.replace(made.node.params, patience_s=0.5))
    assert made.node.watchdog._limit_ns == nanoseconds(made.node.period_s + 0.5)
    for program in ("simulator", "perception", "planner", "controller", "recorder"):
        kind = node_class(share.find(f"nodes/{program}.py"))
        assert set(kind.changeable) <= set(kind.Params.__struct_fields__)


def joints_of(made):
    return made.node.observation.state["joint_positions"]


def test_perception_and_planner_read_nothing_that_tells_the_goal_but_its_picture(bench):
    seeing = bench("perception", world_model=BUNDLE)
    cameras = [camera_topic(name) for name in ("front", "side")]
    assert set(seeing.node.inputs) == {"/goal", "/action", "/episode", *cameras}  # of it the id alone
    planning = bench("planner", world_model=BUNDLE, planner={"type": "cem"}, costs=[{"type": "latent_goal"}])
    assert set(planning.node.inputs) == {"/goal_latent", "/latent", "/action"}


def test_the_simulated_world_stands_still_until_its_tick_is_commanded(bench):
    made = simulator(bench)
    first = made.take("/joint_states")
    assert [m.stamp_ns(message) for message in first] == [0]
    made.node.on_command(command(TICK, joints_of(made)), envelope())  # of a tick that is not there yet
    assert not made.take("/joint_states")
    made.node.on_command(command(0, joints_of(made)), envelope())
    made.node.on_command(command(0, joints_of(made)), envelope())  # the same answer again
    assert [m.stamp_ns(message) for message in made.take("/joint_states")] == [TICK]


def test_an_unanswered_tick_is_shown_again_unchanged_and_then_given_up(bench):
    made = simulator(bench)
    shown = made.take(camera_topic("front"))[0]
    for _ in range(2):
        made.node.repeat()
        again = made.take(camera_topic("front"))[0]
        np.testing.assert_array_equal(again.data, shown.data)
        assert m.stamp_ns(again) == m.stamp_ns(shown)
    made.node.repeat()
    ended = next(message for message in made.take("/episode") if message.phase == "ended")
    assert not ended.success
    assert "no command came" in ended.reason


def test_a_run_ends_after_its_episodes_with_stamps_that_never_repeat(bench):
    made = simulator(bench)
    stamps = []
    while made.node.finished is None:
        stamps.append(made.node.stamp_ns)
        made.node.on_command(command(stamps[-1], joints_of(made)), envelope())
    assert len(set(stamps)) == 6
    phases = [(message.id, message.phase) for message in made.take("/episode") if message.phase != "running"]
    assert phases == [(1, "started"), (1, "ended"), (2, "started"), (2, "ended"), (2, "finished")]


def test_a_drive_that_misses_its_goal_ends_with_the_reason(bench):
    made = bench("simulator", "lockstep", scene="sim/drive_merge.xml", episodes=1, steps=1)
    made.node.end_step()
    ended = next(message for message in made.take("/episode") if message.phase == "ended")
    assert not ended.success
    assert re.fullmatch(r"out of steps, \d+\.\d m from the goal area", ended.reason)


def test_an_episode_that_the_simulator_ends_early_has_not_run_out_of_steps(bench):
    made = bench("simulator", "lockstep", scene="sim/panda_reach.py", episodes=2, steps=3)
    made.node.end_step(StepResult(made.node.observation, False, 0.3, {}, terminated=True))
    for _ in range(3):
        made.node.end_step()
    reasons = [message.reason for message in made.take("/episode") if message.phase == "ended"]
    assert reasons == ["the simulator ended the episode at step 1 of 3", ""]


def test_physics_that_diverges_ends_the_episode_as_failed_and_the_next_begins(bench):
    made = simulator(bench)
    made.node.sim.model.dof_armature[:] = made.node.sim.model.body_mass[:] = 0.0
    made.node.sim.model.jnt_stiffness[:] = 1e9
    made.node.on_command(command(made.node.stamp_ns, joints_of(made) + 0.1), envelope())
    phases = [(message.id, message.phase, message.reason) for message in made.take("/episode")]
    [reason] = [reason for _, phase, reason in phases if phase == "ended"]
    assert reason.startswith("the physics diverged within 0.2 s")
    assert phases[-1][:2] == (2, "running")


@pytest.mark.parametrize("period_s", [0.01, 1 / 30, 0.05, 0.1])
def test_in_realtime_every_period_is_as_long_as_declared(bench, period_s):
    spec = {"type": "gym", "id": "Pendulum-v1", "control_dt_s": period_s}
    made = bench("simulator", "realtime", simulator=spec, episodes=1, steps=7)
    began_ns, period_ns = made.clock.now_ns(), nanoseconds(period_s)
    for late_ns in (0, 4 * period_ns):  # on time, then after a pause
        for tick in range(1, 3):
            made.clock.set_ns(began_ns + late_ns + tick * period_ns)
            for _ in range(4):
                made.node.catch_up()
    stamps = [m.stamp_ns(message) for message in made.take("/episode") if message.phase == "running"]
    assert [stamp - began_ns for stamp in stamps] == [i * period_ns for i in range(7)]


def test_a_command_of_an_episode_that_is_over_moves_nothing_in_realtime(bench):
    made = bench("simulator", "realtime", scene="sim/panda_reach.py", episodes=1, steps=3)
    before = made.node.sim.data.ctrl.copy()
    made.node.on_command(command(made.node.started_ns - 1, joints_of(made) + 0.1), envelope())
    made.node.sim.advance(0.1)
    np.testing.assert_array_equal(made.node.sim.data.ctrl, before)


def test_delayed_sensors_keep_the_stamp_of_the_moment_they_show(bench):
    made = bench("simulator", "realtime", scene="sim/panda_reach.py", episodes=1, steps=3, camera_delay_s=0.1)
    began_ns = made.clock.now_ns()
    assert not made.take("/joint_states")
    made.clock.set_ns(began_ns + nanoseconds(0.11))
    made.node.catch_up()
    assert [m.stamp_ns(message) for message in made.take("/joint_states")] == [began_ns]


def commanded(messages):
    return [(m.stamp_ns(message), message.points[0].positions) for message in messages]


def test_the_controller_answers_a_tick_once_plan_and_joints_are_there_in_any_order(bench):
    made = controller(bench)
    made.hear("/joint_states", joint_states(0))
    assert not made.take("/command")
    made.hear("/plan", plan(0))
    [(stamp, q)] = commanded(made.take("/command"))
    assert stamp == 0
    control = made.node.control.control
    moved = control.position(q) - control.position(np.array(HOME))
    np.testing.assert_allclose(moved, [0.0, 0.03, -0.03], atol=0.002)
    made.hear("/plan", plan(TICK))
    assert not made.take("/command")  # the joints of that tick are on their way
    made.hear("/joint_states", joint_states(TICK))
    assert [stamp for stamp, _ in commanded(made.take("/command"))] == [TICK]


@pytest.mark.parametrize(
    ("mode", "expected"), [("lockstep", (0.0, 0.03, -0.03)), ("realtime", (0.0, 0.0, 0.0))]
)
def test_in_realtime_the_controller_passes_over_what_was_on_its_way(bench, mode, expected):
    """In lockstep the world waits for the first action, in realtime it is executed by now."""
    made = controller(bench, mode)
    made.hear("/joint_states", joint_states(NOW))
    made.hear("/plan", plan(NOW, latency_steps=1))
    made.hear("/plan", plan(NOW, action=expected))
    ours, wanted = (message.values for message in made.take("/action"))
    np.testing.assert_array_equal(ours, wanted)


def test_a_repeated_tick_is_answered_again_with_the_same_command(bench):
    made = controller(bench)
    made.hear("/plan", plan(0))
    made.hear("/joint_states", joint_states(0))
    made.hear("/joint_states", joint_states(0))
    (_, first), (_, second) = commanded(made.take("/command"))
    np.testing.assert_array_equal(first, second)


def test_set_points_go_out_at_their_rate_from_the_first_measured_posture_on(bench):
    made = controller(bench, "realtime", rate_hz=50.0)
    spin(made, 0.1)
    assert not made.take("/command")
    made.hear("/joint_states", joint_states(made.clock.now_ns()))
    spin(made, 0.2)
    held = commanded(made.take("/command"))
    assert len(held) == 10
    for _, q in held:
        np.testing.assert_array_equal(q, HOME)


def test_the_controller_comes_to_rest_when_plans_stop_coming(bench):
    made = controller(bench, "realtime", patience_s=0.05)
    made.hear("/joint_states", joint_states(NOW))
    made.hear("/plan", plan(NOW, action=(0.0, 0.3, 0.0)))
    spin(made, 0.2)
    assert not made.node.holding
    made.hear("/joint_states", joint_states(made.clock.now_ns()))
    spin(made, 0.2)
    made.hear("/joint_states", joint_states(made.clock.now_ns()))
    spin(made, 0.1)
    assert made.node.holding
    q = np.array([q for _, q in commanded(made.take("/command"))])
    assert np.abs(q[15] - q[14]).max() > 1e-3  # it moved
    np.testing.assert_allclose(q[-1], q[-2], atol=1e-9)
    largest = made.node.control.control.velocity_limits * 0.01
    assert (np.abs(np.diff(q, axis=0)) <= largest + 1e-9).all()


def test_the_controller_comes_to_rest_when_measured_states_stop_coming(bench, caplog):
    made = controller(bench, "realtime", patience_s=0.05)
    made.hear("/joint_states", joint_states(NOW))
    for _ in range(4):
        made.hear("/plan", plan(made.clock.now_ns(), action=(0.0, 0.05, 0.0)))
        spin(made, 0.1)
    assert made.node.holding and "/joint_states: no new message for" in caplog.text
    (_, before), (_, last) = commanded(made.take("/command"))[-2:]
    np.testing.assert_allclose(before, last, atol=1e-9)


def test_a_controller_that_got_no_core_itself_takes_the_states_that_wait_before_it_judges(bench, caplog):
    made = controller(bench, "realtime", patience_s=0.05)
    made.hear("/joint_states", joint_states(NOW))
    spin(made, 0.1)
    made.clock.set_ns(made.clock.now_ns() + nanoseconds(1.0))
    made.node.spin_once()
    made.hear("/joint_states", joint_states(made.clock.now_ns()))
    spin(made, 0.1)
    assert "no new message for" not in caplog.text
    made.clock.set_ns(made.clock.now_ns() + nanoseconds(1.0))
    made.node.spin_once()
    spin(made, 0.03)
    assert "/joint_states: no new message for" in caplog.text


def test_a_fallback_plan_holds_and_the_next_good_one_moves_again(bench):
    made = controller(bench, "realtime")
    made.hear("/joint_states", joint_states(NOW))
    made.hear("/plan", plan(NOW, fallback=True))
    spin(made, 0.2)
    assert made.node.holding
    for _, q in commanded(made.take("/command")):
        np.testing.assert_array_equal(q, HOME)
    made.hear("/joint_states", joint_states(made.clock.now_ns()))
    made.hear("/plan", plan(made.clock.now_ns()))
    spin(made, 0.2)
    assert not made.node.holding
    moved = commanded(made.take("/command"))[-1][1]
    assert np.abs(moved - HOME).max() > 0.01


@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
def test_an_emergency_stop_holds_until_it_is_reset_also_after_a_respawn(bench, mode):
    made = controller(bench, mode)
    made.hear("/joint_states", joint_states(NOW))
    made.hear("/emergency_stop", m.Bool(data=True))
    made.hear("/plan", plan(NOW))
    assert made.node.holding
    for _, q in commanded(made.take("/command")):
        np.testing.assert_array_equal(q, HOME)
    assert EmergencyStop(made.domain.path / "emergency_stop").is_latched  # as a new process finds it
    made.hear("/emergency_stop", m.Bool(data=False))
    made.hear("/plan", plan(NOW))
    assert made.node.holding
    made.node.services.call("reset_emergency_stop", "controller")
    made.hear("/plan", plan(NOW))
    assert not made.node.holding
    made.node.services.call("emergency_stop", "controller")
    assert made.node.holding
    with pytest.raises(NodeError, match="did you mean 'emergency_stop'"):
        made.node.services.call("emergency_stopp", "controller")


def test_commands_keep_the_velocity_limits(bench):
    made = controller(bench)
    made.hear("/plan", plan(0, action=(0.05, 0.05, 0.05), dt_s=0.001))
    made.hear("/joint_states", joint_states(0))
    [(_, q)] = commanded(made.take("/command"))
    assert np.all(np.abs(q - HOME) <= made.node.control.control.velocity_limits * 0.001 + 1e-12)
    assert made.node.diagnostics["clipped"] == "1"


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_measurement_that_is_not_finite_is_never_commanded(bench, number):
    made = controller(bench)
    made.hear("/plan", plan(0))
    made.hear("/joint_states", joint_states(0, [number, *HOME[1:]]))
    assert not made.take("/command")  # nothing to repeat yet
    made.hear("/joint_states", joint_states(0))
    [(_, good)] = commanded(made.take("/command"))
    made.hear("/joint_states", joint_states(TICK, [*HOME[:6], number]))
    made.hear("/plan", plan(TICK, fallback=True))
    [(stamp, again)] = commanded(made.take("/command"))
    assert stamp == TICK
    np.testing.assert_array_equal(again, good)


def test_what_cannot_work_is_refused_before_anything_starts():
    kinds = {name: node_class(share.find(f"nodes/{name}.py")) for name in ("planner", "controller")}
    with pytest.raises(PluginError, match=r"sim/panda.xml: no such file"):
        params = kinds["controller"].Params(control={"type": "ee_delta", "robot": "sim/panda.xml"})
        kinds["controller"].check(params)
    for costs, reason in (
        ([], "costs is empty"),
        (
            [{"type": "state_goal", "state": "tcp_position"}],
            "requires 'state:tcp_position', which panda_reach_small",
        ),
    ):
        params = kinds["planner"].Params(world_model=BUNDLE, planner={"type": "icem"}, costs=costs)
        with pytest.raises(ConfigError, match=reason):
            kinds["planner"].check(params)


@pytest.mark.parametrize("age_s", [5.0, -60.0])
def test_plans_for_another_time_are_refused_and_do_not_count_as_alive(bench, age_s):
    made = controller(bench, "realtime")
    made.hear("/joint_states", joint_states(NOW))
    for tick in range(1, 20):
        made.clock.set_ns(NOW + nanoseconds(0.1 * tick))
        made.hear("/plan", plan(made.clock.now_ns() - nanoseconds(age_s)))
        made.hear("/joint_states", joint_states(made.clock.now_ns()))
    assert not made.node.holding
    spin(made, 0.02)
    assert made.node.holding
    for _, held in commanded(made.take("/command")):
        np.testing.assert_array_equal(held, HOME)
    assert made.node.diagnostics["refused"] == "19"


def test_a_plan_that_waited_for_a_controller_without_processor_time_moves_nothing(bench):
    made = controller(bench, "realtime")
    made.hear("/joint_states", joint_states(NOW))
    made.clock.set_ns(NOW + nanoseconds(0.35))
    made.hear("/plan", plan(NOW), envelope(publish_ns=NOW + nanoseconds(0.05)))
    assert made.node.diagnostics == {} and made.node.refused == 1
    made.hear("/joint_states", joint_states(NOW + nanoseconds(0.2)))
    spin(made, 0.02)
    assert made.node.holding
    for _, held in commanded(made.take("/command")):
        np.testing.assert_array_equal(held, HOME)


def test_joints_of_another_robot_end_the_controller_with_a_reason(bench):
    made = controller(bench)
    made.hear("/plan", plan(0))
    with pytest.raises(InputError, match="lacks"):
        made.hear("/joint_states", m.joint_state(["a"], [0.0], 0))


def test_the_planner_waits_for_the_goal_that_the_latent_was_seen_under(bench):
    made = bench(
        "planner", world_model=BUNDLE, planner={"type": "icem", "horizon": 2}, costs=[{"type": "latent_goal"}]
    )
    z = {"z": np.ones((1, 64), np.float32)}
    made.hear("/latent", latent_message(z, 2, 0, 0.0))
    assert not made.take("/plan")
    made.hear("/goal_latent", latent_message(z, 2, 0, 0.0))
    made.hear("/latent", latent_message(z, 2, 0, 0.0))
    first = made.take("/plan")
    made.hear("/latent", latent_message(z, 2, 0, 0.0))  # the tick was repeated
    second = made.take("/plan")
    assert len(first) == len(second) == 1
    np.testing.assert_array_equal(first[0].actions, second[0].actions)


def test_the_planner_searches_a_tree_over_a_bundle_with_choices_and_asks_its_policy(bench, tmp_path):
    choices = ActionSpec(names=("key",), units=("",), low=(0.0,), high=(2.0,), choices=3)
    card = make_card(
        choices,
        capabilities=("reward",),  # the sum of the choices
        policy=PolicySpec(goal=False),
        observation=ObservationSpec(state=(Quantity(name="position", size=1, unit="m"),)),
    )
    write_bundle(tmp_path / "keys", card, act=act_graph(card, goal=None, action="logits", copies=3))
    made = bench(
        "planner",
        world_model=str(tmp_path / "keys"),
        planner={"type": "mcts", "horizon": 2, "simulations": 60},
        costs=[{"type": "reward"}],
    )
    asked, act = [], made.node.adapter.model.act
    made.node.adapter.model.act = lambda *given: (asked.append(len(given[0]["z"])), act(*given))[1]
    z = {"z": np.zeros((1, 1), np.float32)}
    made.hear("/goal_latent", latent_message({}, 1, 0, 0.0))
    made.hear("/latent", latent_message(z, 1, 0, 0.0))
    [plan] = made.take("/plan")
    assert (plan.action_names, np.asarray(plan.actions).tolist()) == (["key"], [2.0, 2.0])
    assert len(asked) == 61


def test_in_realtime_plans_begin_where_their_delay_ends(bench):
    """The model's step is 0.2 s: sensors 0.19 s old, and a plan before that took no time, make one step."""
    made = bench(
        "planner",
        "realtime",
        world_model=BUNDLE,
        planner={"type": "icem", "horizon": 2},
        costs=[{"type": "latent_goal"}],
    )
    z, now_ns = {"z": np.ones((1, 64), np.float32)}, made.clock.now_ns()
    made.hear("/goal_latent", latent_message(z, 1, 0, 0.0))
    made.node.took_s = 0.0
    made.hear("/latent", latent_message(z, 1, 0, 0.0), envelope(now_ns - nanoseconds(0.19)))
    [late] = made.take("/plan")
    assert (late.latency_steps, late.horizon) == (1, 3)
    assert not late.actions[:3].any()  # nothing was decided before
    made.node.took_s = 0.02
    made.hear("/latent", latent_message(z, 1, TICK, 0.0), envelope(now_ns - nanoseconds(0.07)))
    [early] = made.take("/plan")
    assert (early.latency_steps, early.horizon) == (0, 2)


def test_stale_inputs_are_counted_and_warned_of_now_and_then(bench, caplog):
    settings = {"world_model": BUNDLE, "planner": {"type": "cem"}, "costs": [{"type": "latent_goal"}]}
    z = {"z": np.ones((1, 64), np.float32)}
    made = bench("planner", "realtime", **settings)
    made.hear("/goal_latent", latent_message(z, 1, 0, 0.0))
    for tick, age_s in enumerate([0.39, 0.41, 4.3, 4.3]):  # the model's step is 0.2 s
        made.clock.set_ns(nanoseconds(200.0 + tick))
        origin_ns = made.clock.now_ns() - nanoseconds(age_s)
        made.hear("/latent", latent_message(z, 1, tick * TICK, 0.0), envelope(origin_ns))
    assert made.node.diagnostics["stale inputs"] == "3"
    assert caplog.text.count("inputs are ") == caplog.text.count("inputs are 0.41 s old, more than 2") == 1
    made.clock.set_ns(nanoseconds(215.0))
    made.hear("/latent", latent_message(z, 1, 9 * TICK, 0.0), envelope(nanoseconds(214.0)))
    assert "inputs are 1.00 s old, more than 2 control periods of 0.2 s" in caplog.text


def test_a_planner_without_latents_publishes_the_plan_of_doing_nothing(bench):
    made = bench(
        "planner", "realtime", world_model=BUNDLE, planner={"type": "cem"}, costs=[{"type": "latent_goal"}]
    )
    z = {"z": np.ones((1, 64), np.float32)}
    made.hear("/goal_latent", latent_message(z, 1, 0, 0.0))
    made.hear("/latent", latent_message(z, 1, 0, 0.0))
    made.take("/plan")
    made.node.on_silence()
    [message] = made.take("/plan")
    assert message.fallback
    assert not message.actions.any()


def test_perception_refuses_a_goal_without_a_picture_of_every_camera(bench):
    made = bench("perception", world_model=BUNDLE)
    picture = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(InputError, match="the model needs also \\['side'\\]"):
        made.node.on_goal(goal_message(1, Observation(images={"front": picture}), 0), envelope())


def test_the_recorder_says_in_words_what_it_recorded():
    summary = plugins.load_file(share.find("nodes/recorder.py")).summary
    assert summary({"/plan": 3, "/goal": 1}, {"/plan": 2}) == (
        "recorded 4 messages (/goal 1, /plan 3), 2 missing"
    )
    assert summary({}, {}) == "recorded 0 messages (none), 0 missing"


def test_an_arm_without_commands_stays_where_the_last_one_led(bench):
    made = bench("simulator", "realtime", scene="sim/panda_reach.py", episodes=1, steps=100)
    target = made.node.sim.actuator_targets + 0.05
    joints = [f"joint{i}" for i in range(1, 8)]
    set_point = m.joint_trajectory(joints, target[None], 0.01, made.clock.now_ns())
    made.hear("/command", set_point)
    spin(made, 0.4)  # two silent periods
    np.testing.assert_array_equal(made.node.sim.actuator_targets, target)
    spin(made, 1.0)
    np.testing.assert_array_equal(made.node.sim.actuator_targets, target)
    last = made.take("/joint_states")[-2:]
    before, after = (np.array(message.position) for message in last)
    assert np.abs(after - before).max() < 1e-4  # it stands
    np.testing.assert_allclose(after, target, atol=0.02)
