"""An environment on the bus: its messages, and the node programs that plan in it for reward, by hand."""

import numpy as np
import pytest
from node_bench import envelope
from point_mass import make_card, write_bundle

from wm_planner.bridges.controllers import CONTROLLERS
from wm_planner.bridges.messages import plan_message
from wm_planner.bridges.simulators import adapter_of
from wm_planner.clock import nanoseconds
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.context import Context
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError, InputError
from wm_planner.messaging import messages as m
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.simulation.gym import GymSimulator
from wm_planner.world_models.onnx.model import OnnxWorldModel

BUNDLE = "models/bundles/pendulum"
ENVIRONMENT = {"type": "gym", "id": "Pendulum-v1", "names": ["torque"], "units": ["N m"]}
PLANNER = {"type": "icem", "horizon": 5, "samples": 16, "elites": 4, "iterations": 2}
COSTS = [{"type": "reward", "discount": 1.0}]
TICK = nanoseconds(0.05)


def passthrough(**settings):
    spec = {"type": "passthrough", "world_model": BUNDLE, **settings}
    return CONTROLLERS.build(spec, "controller")


def plan(*actions, names=("torque",)):
    spec = ActionSpec(names=names, units=("N m",), low=(-9.0,), high=(9.0,))
    rows = np.array(actions, np.float32)[:, None]
    return plan_message(1, rows, spec, 0.05, 0, execute_steps=1, fallback=False)


def test_an_environment_publishes_its_signals_and_obeys_commands():
    adapter = adapter_of(ENVIRONMENT, "here")
    seen = adapter.simulator.reset(1)
    sent = adapter.sensors(seen, 7)
    assert set(sent) == set(adapter.topics) == {"/clock", "/signal/observation"}
    assert {m.stamp_ns(message) for message in sent.values()} == {7}
    command = m.joint_trajectory(["torque"], np.array([[1.5]]), 0.05, 7)
    np.testing.assert_array_equal(adapter.command_of(command), [1.5])
    np.testing.assert_array_equal(adapter.stop_command(), [0.0])
    assert adapter_of({"type": "gym", "id": "CartPole-v1"}, "here").stop_command() is None


def test_a_command_of_another_environment_is_refused_by_name():
    command = m.joint_trajectory(["joint1"], np.array([[1.5]]), 0.05, 7)
    with pytest.raises(InputError, match="moves joint1, actions of Pendulum-v1 are torque"):
        adapter_of(ENVIRONMENT, "here").command_of(command)


def test_actions_are_sent_as_planned_within_their_bounds():
    control = passthrough()
    control.observe(m.Clock(clock=m.time(5)))
    sent = [control.command(plan(1.5, 7.0, np.nan), step) for step in range(3)]
    assert [list(message.points[0].positions) for message in sent] == [[1.5], [2.0], [0.0]]
    assert sent[0].joint_names == ["torque"] and m.stamp_ns(sent[0]) == 5
    assert control.figures == {"clipped": "2"}


def test_the_idle_action_is_sent_where_no_plan_is():
    assert list(passthrough().stop(0.05).points[0].positions) == [0.0]
    control = passthrough(idle=[-0.5])
    assert list(control.stop(0.05).points[0].positions) == [-0.5]
    assert m.stamp_ns(control.blind_stop(9)) == 9
    with pytest.raises(ConfigError, match=r"idle is \[3.0\], wanted 1 values \(torque\) from \[-2.0\] to"):
        passthrough(idle=[3.0])


def test_a_plan_of_another_model_is_refused_by_name():
    with pytest.raises(InputError, match="/plan holds dx, the controller sends torque"):
        passthrough().command(plan(1.0, names=("dx",)), 0)


class Loop:
    """Simulator, perception, planner and controller whose messages are handed over by hand, in lockstep."""

    def __init__(self, bench, steps, costs=COSTS, bundle=BUNDLE, planner=PLANNER, mpc=None):
        self.simulator = bench("simulator", simulator=ENVIRONMENT, episodes=1, steps=steps, seed=3)
        self.perception = bench("perception", world_model=bundle)
        search = {"planner": planner, "costs": costs, "mpc": mpc or {}}
        self.planner = bench("planner", world_model=bundle, **search, seed=8)
        control = {"type": "passthrough", "world_model": bundle}
        self.controller = bench("controller", control=control, control_dt_s=0.05)
        self.episodes, self.actions = [], []

    def tick(self):
        """Carry everything from the simulator's sensors back to its command."""
        published, self.simulator.sent[:] = list(self.simulator.sent), []
        for topic, message in published:
            self.perception.hear(topic, message)
            self.controller.hear(topic, message)
            self.episodes += [message] * (topic == "/episode")
        for source, target in ((self.perception, self.planner), (self.planner, self.controller)):
            for topic, message in list(source.sent):
                target.hear(topic, message)
            source.sent.clear()
        (command,) = self.controller.take("/command")
        self.actions.append(command.points[0].positions)
        self.simulator.hear("/command", command)


def test_a_launch_without_a_goal_plans_for_reward_and_reports_the_return(bench):
    loop, steps = Loop(bench, steps=4), 4
    for _ in range(steps):
        loop.tick()
    ended = next(
        message for topic, message in loop.simulator.sent if getattr(message, "phase", "") == "ended"
    )
    expected, actions = in_process(steps)
    np.testing.assert_array_equal(loop.actions, actions)
    assert ended.total_reward == expected and not ended.success and np.isnan(ended.distance)


TDMPC2 = {
    "bundle": "models/bundles/pendulum_tdmpc2",
    "planner": {"type": "mppi", "horizon": 3, "samples": 16, "elites": 4, "iterations": 2},
    "costs": [{"type": "reward", "discount": 0.98}, {"type": "value", "discount": 0.98}],
}


@pytest.mark.parametrize("proposals", ["elites", "policy"])
def test_a_trained_model_with_a_policy_decides_the_same_in_nodes_and_in_process(bench, proposals):
    loop = Loop(bench, steps=4, **TDMPC2, mpc={"proposals": proposals})
    for _ in range(4):
        loop.tick()
    _, actions = in_process(4, **TDMPC2, proposals=proposals)
    np.testing.assert_array_equal(loop.actions, actions)


def in_process(steps, bundle=BUNDLE, planner=PLANNER, costs=COSTS, proposals="elites"):
    """Return and actions of the same episode without nodes."""
    simulator = GymSimulator(GymSimulator.Config(id="Pendulum-v1"))
    model = OnnxWorldModel.load(bundle, "cpu")
    search, terms = PLANNERS.build(planner, "here"), build_costs(costs, "here")
    mpc = RecedingHorizon(RecedingHorizon.Config(proposals=proposals), search, model, terms, seed=8)
    mpc.reset(episode_id=4)
    observation, total, actions, last = simulator.reset(3), 0.0, [], None
    for tick in range(steps):
        decision = mpc.tick(model.encode(observation), Context(last_action=last), tick)
        last = decision.action_at(tick)
        result = simulator.step(last.astype(np.float64))
        observation, total = result.observation, total + result.reward
        actions.append(last.astype(np.float64))
    return total, actions


def test_an_episode_ends_when_the_environment_ends_it(bench):
    spec = {**ENVIRONMENT, "options": {"max_episode_steps": 2}}
    made = bench("simulator", simulator=spec, episodes=1, steps=50)
    for step in range(2):
        command = m.joint_trajectory(["torque"], np.zeros((1, 1)), 0.05, step * TICK)
        made.node.on_command(command, envelope())
    assert made.node.finished is not None


def test_a_cost_that_needs_a_goal_is_refused_where_the_task_has_none(bench):
    loop = Loop(bench, steps=2, costs=[{"type": "latent_goal"}])
    with pytest.raises(ConfigError, match="cost 'latent_goal' requires 'context:goal_latent'"):
        loop.tick()


def test_in_realtime_the_environment_moves_by_the_clock_and_rewards_add_up(bench):
    made = bench("simulator", "realtime", simulator=ENVIRONMENT, episodes=1, steps=3)
    began_ns = made.clock.now_ns()
    made.clock.set_ns(began_ns + nanoseconds(0.21))
    while made.node.finished is None:
        made.node.catch_up()
    totals = [message.total_reward for message in made.take("/episode") if message.phase == "running"]
    assert len(totals) == 3 and totals[0] == 0.0 and totals[0] > totals[1] > totals[2]


def test_what_was_sent_is_what_passthrough_tells():
    control = passthrough()
    assert control.reports_action and control.executed is None
    control.command(plan(1.5, 7.0), 1)
    np.testing.assert_array_equal(control.executed, np.array([2.0], np.float32))
    control.stop(0.05)
    np.testing.assert_array_equal(control.executed, [0.0])
    control.reset()
    assert control.executed is None


def test_a_set_point_is_held_where_no_plan_is(tmp_path):
    spec = ActionSpec(names=("torque",), units=("N m",), low=(-2.0,), high=(2.0,), absolute=True)
    write_bundle(tmp_path / "held", make_card(spec))
    control = passthrough(world_model=str(tmp_path / "held"))
    assert list(control.stop(0.05).points[0].positions) == [0.0]  # nothing was sent yet
    control.command(plan(1.5), 0)
    assert list(control.stop(0.05).points[0].positions) == [1.5]
    told = passthrough(world_model=str(tmp_path / "held"), idle=[0.5])
    told.command(plan(1.5), 0)
    assert list(told.stop(0.05).points[0].positions) == [0.5]
