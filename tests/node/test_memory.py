"""What was carried out, and what perception and planner make of it: memory, surprise, the last action."""

import numpy as np
import pytest
from arm_messages import HOME, TICK, controller, joint_states, plan
from glider import write_glider
from msgspec.structs import replace
from point_mass import action_spec, make_card, write_bundle

from wm_planner.bridges.messages import action_message, goal_message, latent_message
from wm_planner.contracts.card import ObservationSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.world_models.onnx.model import OnnxWorldModel


def action_of(bench_node):
    [message] = bench_node.take("/action")
    return message


# --- the controller tells what it carried out


def test_a_free_action_is_told_bit_by_bit_before_its_command(bench):
    made = controller(bench)
    made.hear("/plan", plan(0, action=(0.01, 0.03, -0.02)))
    made.hear("/joint_states", joint_states(0))
    assert [topic for topic, _ in made.sent if topic in ("/action", "/command")] == ["/action", "/command"]
    told = action_of(made)
    np.testing.assert_array_equal(told.values, np.array([0.01, 0.03, -0.02], np.float32))
    assert (told.names, told.units) == (["dx", "dy", "dz"], ["m", "m", "m"])
    assert m.stamp_ns(told) == 0 and not told.holding


def test_a_clipped_action_is_told_as_the_displacement_that_is_left_of_it(bench):
    made = controller(bench)
    made.hear("/plan", plan(0, action=(0.05, 0.05, 0.05), dt_s=0.001))
    made.hear("/joint_states", joint_states(0))
    [(_, told), (_, sent)] = [each for each in made.sent if each[0] in ("/action", "/command")]
    control = made.node.control.control
    moved = control.position(sent.points[0].positions) - control.position(np.array(HOME))
    np.testing.assert_allclose(told.values, moved, atol=1e-7)
    assert np.linalg.norm(told.values) < 0.01


def test_an_action_that_leads_out_of_the_workspace_is_told_as_far_as_it_goes(bench):
    made = controller(bench)
    control = made.node.control.control
    tcp = control.position(np.array(HOME))
    beyond = float(control.high[2] - tcp[2]) + 0.1
    made.hear("/plan", plan(0, action=(0.0, 0.0, beyond), dt_s=2.0))
    made.hear("/joint_states", joint_states(0))
    told = action_of(made).values
    assert told[2] < beyond - 0.09


def test_holding_is_told_as_the_way_back_to_where_it_holds(bench):
    made = controller(bench)
    made.hear("/joint_states", joint_states(0))
    made.hear("/plan", plan(0, fallback=True))
    held = action_of(made)
    assert held.holding and not held.values.any()
    sagged = [*HOME[:3], HOME[3] - 0.01, *HOME[4:]]
    made.hear("/plan", plan(TICK, fallback=True))
    made.hear("/joint_states", joint_states(TICK, sagged))
    *_, back = made.take("/action")
    control = made.node.control.control
    wanted = control.position(np.array(HOME)) - control.position(np.array(sagged))
    np.testing.assert_allclose(back.values, wanted, atol=1e-7)
    assert np.linalg.norm(back.values) > 1e-3


# --- perception remembers what it was told


class Eyes:
    """A perception node over a glider, whose positions are heard as they come."""

    def __init__(self, bench, folder, mode="lockstep", publisher=True, **changes):
        write_glider(folder / "glider", **changes)
        self.made = bench("perception", mode, world_model=str(folder / "glider"))
        self.made.bus.has_publisher = lambda topic: publisher
        self.goal(1)

    def goal(self, goal_id):
        self.made.hear("/goal", goal_message(goal_id, Observation({}, {"position": np.zeros(2)}), 0))

    def see(self, stamp_ns, x):
        self.made.hear("/signal/position", m.signal("position", np.array([x, 0.0]), stamp_ns))
        return self.latents()

    def act(self, stamp_ns, push, names=("a0", "a1")):
        message = m.Action(
            m.header(stamp_ns), list(names), ["m", "m"], np.array([push, 0], np.float32), False
        )
        self.made.hear("/action", message)
        return self.latents()

    def latents(self):
        messages = self.made.take("/latent")
        return [
            (m.stamp_ns(message), float(m.named_arrays_of(message.arrays)["v"][0, 0]), message.surprise)
            for message in messages
        ]


def test_memory_and_surprise_take_the_action_that_was_carried_out(bench, tmp_path):
    eyes = Eyes(bench, tmp_path)
    assert "/plan" not in eyes.made.node.inputs
    [(_, v, surprise)] = eyes.see(0, 0.0)
    assert v == 0 and np.isnan(surprise)
    eyes.act(0, 0.5)
    assert eyes.see(TICK, 2.0) == [(TICK, 2.0, 1.5**2)]  # it was pushed by 0.5 and moved by 2
    eyes.act(TICK, -1.0)
    assert eyes.see(2 * TICK, 3.0) == [(2 * TICK, 1.0, 0.0)]


def test_in_lockstep_a_tick_waits_for_the_action_before_it(bench, tmp_path):
    eyes = Eyes(bench, tmp_path)
    eyes.see(0, 0.0)
    assert eyes.see(TICK, 2.0) == []
    assert eyes.act(0, 0.5) == [(TICK, 2.0, 1.5**2)]


def test_the_order_of_arrival_changes_no_byte(bench, tmp_path):
    early, late = (Eyes(bench, tmp_path) for _ in range(2))
    for eyes in (early, late):
        eyes.see(0, 0.0)
    early.act(0, 0.5)
    assert early.see(TICK, 2.0) == [*late.see(TICK, 2.0), *late.act(0, 0.5)]


def test_a_repeated_tick_is_filtered_once_and_answered_again(bench, tmp_path):
    eyes = Eyes(bench, tmp_path)
    eyes.see(0, 0.0)
    eyes.act(0, 0.5)
    first = eyes.see(TICK, 2.0)
    assert eyes.see(TICK, 2.0) == first
    assert eyes.act(0, 0.5) == []
    eyes.act(TICK, 0.0)
    assert eyes.see(2 * TICK, 3.0) == [(2 * TICK, 1.0, 1.0)]


def test_a_tick_that_is_repeated_while_it_waits_goes_on_without_memory(bench, tmp_path):
    """The action was lost with a controller that died: the simulator repeats the tick, and nothing hangs."""
    eyes = Eyes(bench, tmp_path)
    eyes.see(0, 0.0)
    assert eyes.see(TICK, 2.0) == []
    [(stamp, v, surprise)] = eyes.see(TICK, 2.0)
    assert (stamp, v) == (TICK, 0.0) and np.isnan(surprise)


def test_without_a_controller_that_tells_nothing_waits(bench, tmp_path):
    eyes = Eyes(bench, tmp_path, publisher=False)
    eyes.see(0, 0.0)
    [(_, v, surprise)] = eyes.see(TICK, 2.0)
    assert v == 0 and np.isnan(surprise)


@pytest.mark.parametrize("how", ["goal", "episode"])
def test_memory_ends_with_the_episode_and_with_the_goal(bench, tmp_path, how):
    eyes = Eyes(bench, tmp_path)
    eyes.made.hear("/episode", m.running_episode(1, 0))
    eyes.see(0, 0.0)
    eyes.act(0, 0.5)
    eyes.goal(2) if how == "goal" else eyes.made.hear("/episode", m.running_episode(2, 0))
    [(_, v, surprise)] = eyes.see(TICK, 2.0)
    assert v == 0 and np.isnan(surprise)


def test_the_same_episode_again_keeps_the_memory(bench, tmp_path):
    eyes = Eyes(bench, tmp_path)
    eyes.made.hear("/episode", m.running_episode(1, 0))
    eyes.see(0, 0.0)
    eyes.act(0, 0.5)
    eyes.made.hear("/episode", m.running_episode(1, 0))
    assert eyes.see(TICK, 2.0) == [(TICK, 2.0, 1.5**2)]


def test_in_realtime_nothing_waits_and_the_newest_action_counts(bench, tmp_path):
    eyes = Eyes(bench, tmp_path, "realtime")
    eyes.see(0, 0.0)
    [(_, v, _)] = eyes.see(TICK, 2.0)
    assert v == 0  # not told yet
    eyes.act(TICK + 5, 0.5)  # the controller measures at its own times
    assert eyes.see(2 * TICK, 4.0) == [(2 * TICK, 2.0, 1.5**2)]


def test_an_action_of_another_robot_is_refused(bench, tmp_path):
    eyes = Eyes(bench, tmp_path)
    with pytest.raises(InputError, match=r"/action tells x, y in m, m, the model acts in a0, a1"):
        eyes.act(0, 0.5, names=("x", "y"))


def test_perception_reads_nothing_of_the_true_goal_on_episode(bench, tmp_path):
    seen = []
    for position in ((0.0, 0.0, 0.0), (9.0, 9.0, 9.0)):
        eyes = Eyes(bench, tmp_path)
        eyes.made.hear("/episode", m.running_episode(1, 0, position))
        seen.append(eyes.see(0, 1.0)[0][:2])
    assert seen[0] == seen[1]


def test_the_policy_in_process_remembers_as_perception_does(bench, tmp_path):
    """The same positions and actions give the same latents, to the last bit."""
    from wm_planner.world_models.episode_encoder import EpisodeEncoder

    eyes = Eyes(bench, tmp_path)
    encoder = EpisodeEncoder(OnnxWorldModel.load(tmp_path / "glider", device="cpu"))
    last = None
    for tick, (x, push) in enumerate([(0.0, 0.5), (2.0, -1.0), (2.5, 0.25), (2.75, 0.0)]):
        stamp_ns = tick * TICK
        ours = encoder.encode(Observation({}, {"position": np.array([x, 0.0])}, stamp_ns), last)
        [(_, v, _)] = eyes.see(stamp_ns, x)
        assert v == float(ours["v"][0, 0])
        last = np.array([push, 0.0], np.float32)
        eyes.act(stamp_ns, push)


# --- the planner plans from the action that was carried out

GLIDER = {
    "z": np.ones((1, 2), np.float32),
    "v": np.zeros((1, 2), np.float32),
    "trail": np.zeros((1, 1), np.float32),
}
ICEM = {"type": "icem", "horizon": 3, "samples": 8, "elites": 2}


@pytest.fixture
def gliding(bench, tmp_path):
    """Makes planner nodes for a glider that have their goal."""
    write_glider(tmp_path / "glider")

    def make(**planner):
        costs = [{"type": "reward"}]
        made = bench("planner", world_model=str(tmp_path / "glider"), planner=planner, costs=costs)
        made.hear("/goal_latent", latent_message(GLIDER, 1, 0, 0.0))
        return made

    return make


def test_the_last_action_of_a_plan_is_the_one_that_was_carried_out(gliding):
    made = gliding(type="cem", horizon=2, samples=20)
    made.bus.has_publisher = lambda topic: True
    asked = []
    tick = made.node.adapter.mpc.tick
    made.node.adapter.mpc.tick = lambda latent, context, *rest: (
        asked.append(context.last_action) or tick(latent, context, *rest)
    )
    made.hear("/latent", latent_message(GLIDER, 1, 0, 0.0))
    [first] = made.take("/plan")
    dt_ns = round(0.1e9)
    made.hear("/latent", latent_message(GLIDER, 1, dt_ns, 0.0))
    assert not made.take("/plan")  # the action of tick 0 is on its way
    carried_out = np.array([0.125, -0.5], np.float32)  # held and clipped: not what was planned
    assert not np.array_equal(first.actions[:2], carried_out)
    made.hear("/action", action_message(carried_out, first, 0, holding=False))
    assert len(made.take("/plan")) == 1
    assert asked[0] is None
    np.testing.assert_array_equal(asked[1], carried_out)


def test_an_episode_with_the_goal_of_the_one_before_is_planned_as_if_it_were_the_first(gliding):
    def plans(*episodes):
        """The actions of three ticks in each of the episodes."""
        made = gliding(**ICEM)
        for tick in range(3 * len(episodes)):
            stamp_ns = tick * round(0.1e9)
            made.hear("/latent", latent_message(GLIDER, 1, stamp_ns, 0.0, episodes[tick // 3]))
        return [np.asarray(plan.actions) for plan in made.take("/plan")]

    alone, second = plans(2), plans(1, 2)[3:]
    assert len(alone) == len(second) == 3
    np.testing.assert_array_equal(alone, second)
    assert not np.array_equal(plans(1, 1)[3:], second)  # one long episode keeps its warm start


def test_latents_tell_their_episode(bench, tmp_path):
    seen = ObservationSpec(state=(Quantity(name="position", size=2, unit="m"),))
    write_bundle(tmp_path / "toy", make_card(observation=seen))
    made = bench("perception", world_model=str(tmp_path / "toy"))
    made.hear("/goal", goal_message(1, Observation({}, {"position": np.zeros(2)}), 0))
    made.hear("/signal/position", m.signal("position", np.zeros(2), 0))
    made.hear("/episode", m.running_episode(2, 0))
    made.hear("/signal/position", m.signal("position", np.zeros(2), 100))
    assert [latent.episode_id for latent in made.take("/latent")] == [0, 2]


def test_a_clock_that_goes_back_to_before_the_episode_begins_it_again(gliding):
    made = gliding(**ICEM)
    for tick in (50, 51, 52, 0, 1, 2):
        made.hear("/latent", latent_message(GLIDER, 1, tick * round(0.1e9), 0.0))
    plans = made.take("/plan")
    assert [m.stamp_ns(plan) for plan in plans[3:]] == [0, round(0.1e9), round(0.2e9)]
    first, again = ([np.asarray(plan.actions) for plan in some] for some in (plans[:3], plans[3:]))
    np.testing.assert_array_equal(first, again)


def test_in_silence_the_set_point_that_was_carried_out_last_is_held(bench, tmp_path):
    spec = replace(action_spec(), absolute=True)
    seen = ObservationSpec(state=(Quantity(name="position", size=2, unit="m"),))
    write_bundle(tmp_path / "toy", make_card(spec, observation=seen))
    made = bench(
        "planner",
        "realtime",
        world_model=str(tmp_path / "toy"),
        planner={"type": "cem", "horizon": 4},
        costs=[{"type": "latent_goal"}],
        mpc={"replan_every": 2},
    )
    z = {"z": np.zeros((1, 2), np.float32)}
    made.hear("/goal_latent", latent_message({"z": z["z"] + 3}, 1, 0, 0.0))
    now_ns = made.clock.now_ns()
    made.node.took_s = 0.0
    made.hear("/latent", latent_message(z, 1, 0, 0.0), Envelope(1, now_ns - round(0.1e9), 0, 1, 0))
    [plan] = made.take("/plan")
    assert (plan.latency_steps, plan.execute_steps) == (1, 2)
    made.node.on_silence()
    [held] = made.take("/plan")
    rows = np.asarray(plan.actions).reshape(5, 2)
    assert held.fallback and rows.any()
    np.testing.assert_array_equal(np.asarray(held.actions).reshape(5, 2), [rows[2]] * 5)
