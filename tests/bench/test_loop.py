"""The benchmarks of the whole loop, with nodes and without."""

import math

import pytest

from wm_planner.bench.measurements.loop import CpuUsage
from wm_planner.bench.measurements.process_loop import measure_process_loop
from wm_planner.clock import nanoseconds
from wm_planner.evaluation.closed_loop.success import straight_line


def test_the_parts_of_a_loop_in_one_process_add_up_to_its_cpu_time():
    result = measure_process_loop("sim/panda_reach.py", straight_line, episodes=1, steps=2)
    assert result.decisions == 2
    assert sum(result.parts_s.values()) == pytest.approx(1 / result.per_cpu_s)
    assert result.parts_s["render"] > 0 and result.parts_s["physics"] > 0
    assert result.parts_s["encode"] == result.parts_s["decide"] == 0


def test_plans_per_cpu_second_are_counted_while_all_nodes_ran():
    usage = CpuUsage("d")
    usage.notes = [
        (nanoseconds(1.0), {"planner": 5.0, "": 1.0}),
        (nanoseconds(3.0), {"planner": 5.4, "": 1.1}),
        (nanoseconds(9.0), {"": 1.1}),
    ]
    assert usage.rate([nanoseconds(at) for at in (0.5, 1.5, 2.0, 3.5)]) == pytest.approx(2 / 0.5)
    assert math.isnan(usage.rate([nanoseconds(at) for at in (1.5, 2.0)]))
