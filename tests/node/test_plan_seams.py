"""A plan that arrives late meets set-points on their way somewhere else; they never jump."""

import random

import pytest

from wm_planner.bench.measurements.fuzzed_robots import RATE_HZ, ROUNDING, STEP_NS, robot_of
from wm_planner.clock import nanoseconds

PLANS = 5


@pytest.mark.parametrize("robot_name", ["sim/panda_reach.xml", "bmw_320i"])
@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
def test_where_a_late_plan_begins_no_set_point_uses_more_than_its_limits(bench, robot_name, delay_s):
    robot, draw = robot_of(robot_name), random.Random(7)
    state_topic, command_topic = robot.topics
    params = {"control": robot.control, "control_dt_s": robot.period_s, "patience_s": 1.0}
    made = bench("controller", "realtime", **params)
    begin_ns, per_period = made.clock.now_ns(), round(robot.period_s * RATE_HZ)
    used, begun = {}, 0
    for step in range(per_period * (PLANS + round(0.7 / robot.period_s))):
        now_ns = begin_ns + step * STEP_NS
        made.clock.set_ns(now_ns)
        made.node.spin_once()
        for command in made.take(command_topic):
            for name, share in robot.follow(command, begun).items():
                used[name] = max(share, used.get(name, 0.0))
            begun += 1
        if step % per_period == 0:
            made.deliver(state_topic, robot.state(now_ns))
        measured_ns = now_ns - nanoseconds(delay_s)
        if measured_ns >= begin_ns and (measured_ns - begin_ns) % (per_period * STEP_NS) == 0:
            plan = robot.plan(step, measured_ns, draw)
            plan.execute_steps = plan.horizon
            made.deliver("/plan", plan)
            assert made.node.plan.id == step and not made.node.holding
    assert begun > PLANS * per_period
    assert used["acceleration"] > 0.5  # the seams ask for all that the limits leave
    assert max(used.values()) <= 1 + ROUNDING
