"""The benchmarks of the whole loop, with nodes and without."""

import math

import pytest

from wm_planner.bench.measurements import loop_rates
from wm_planner.bench.measurements.group_loop import measure_group_loop
from wm_planner.bench.measurements.loop import CpuUsage, LoopResult
from wm_planner.bench.measurements.process_loop import ProcessLoopResult, measure_process_loop
from wm_planner.bench.measurements.spent import Spent
from wm_planner.clock import nanoseconds
from wm_planner.evaluation.closed_loop.success import straight_line
from wm_planner.messaging import codec
from wm_planner.messaging.bus import Bus
from wm_planner.recording.player import Player


def test_the_parts_of_a_loop_in_one_process_add_up_to_its_cpu_time():
    result = measure_process_loop("sim/panda_reach.py", straight_line, episodes=1, steps=2)
    assert result.decisions == 2
    assert sum(result.parts_s.values()) == pytest.approx(1 / result.per_cpu_s)
    assert result.parts_s["render"] > 0 and result.parts_s["physics"] > 0
    assert result.parts_s["encode"] == result.parts_s["decide"] == 0


def test_the_parts_of_a_loop_of_nodes_in_one_process_add_up_and_end_with_its_simulator(tmp_path):
    model = "models/bundles/panda_reach_small"
    publish, decode = Bus.publish, codec.decode
    result = measure_group_loop("panda_reach", model, 1, tmp_path, ["steps=25"])
    assert result.decisions == 2 * 25 - 1 - 30
    assert sum(result.parts_s.values()) == pytest.approx(1 / result.per_cpu_s)
    assert all(used > 0 for part, used in result.parts_s.items() if part != "resets")
    assert (Bus.publish, codec.decode) == (publish, decode)
    assert Player(tmp_path / "episodes.mcap").counts["/plan"] == 50


def test_what_one_counted_method_calls_is_counted_once():
    class Pair:
        def outer(self):
            return self.inner() + 1

        def inner(self):
            return 1

    spent, pair = Spent(), Pair()
    spent.count("outer", pair, "outer")
    spent.count("inner", Pair, "inner")
    assert pair.outer() == 2
    assert spent.parts_s.keys() == {"outer", "inner"} and min(spent.parts_s.values()) >= 0
    spent.restore()
    assert "outer" not in vars(pair) and Pair.inner.__qualname__.endswith("Pair.inner")
    assert not hasattr(Pair.inner, "__wrapped__")


def test_rates_are_medians_of_turns_and_compared_within_a_turn():
    each = [LoopResult(10, 5.0, 10.0, {}), LoopResult(10, 7.0, 40.0, {}), LoopResult(10, 6.0, 20.0, {})]
    bare = [ProcessLoopResult(10, rate, {"render": 0.001}) for rate in (30.0, 60.0, 100.0)]
    first = [result.per_cpu_s for result in each]
    row = loop_rates._rate("a process each", each, first, {})
    assert (row.rate_hz, row.per_cpu_s, row.of_first) == (6.0, 20.0, 1.0)
    row = loop_rates._rate("no nodes", bare, first, loop_rates.parts_of(bare[0]))
    assert (row.rate_hz, row.per_cpu_s, row.of_first) == (None, 60.0, 3.0)
    assert row.cpu == {"render": "1.00 ms"}


def test_plans_per_cpu_second_are_counted_while_all_nodes_ran():
    usage = CpuUsage("d")
    usage.notes = [
        (nanoseconds(1.0), {7: 5.0, 1: 1.0}),
        (nanoseconds(3.0), {7: 5.4, 1: 1.1}),
        (nanoseconds(9.0), {1: 1.1}),
    ]
    assert usage.rate([nanoseconds(at) for at in (0.5, 1.5, 2.0, 3.5)]) == pytest.approx(2 / 0.5)
    assert math.isnan(usage.rate([nanoseconds(at) for at in (1.5, 2.0)]))
