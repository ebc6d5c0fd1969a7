import numpy as np
import pytest

from wm_planner.bench.measurements.period import PeriodRow, period_rows, period_table
from wm_planner.terminal import console


def test_the_table_tells_the_99th_percentile_in_periods():
    row = PeriodRow("stamp", 100, 0.01, 0.0125, 0.03)
    with console.capture() as printed:
        console.print(period_table([row], "panda_reach", 100.0))
    assert "12.50 ms" in printed.get() and "1.25" in printed.get()


@pytest.mark.slow
def test_the_commands_of_a_launched_arm_are_a_period_apart(tmp_path):
    rows = period_rows("panda_reach", ["episodes=1", "steps=10"], tmp_path)
    assert [row.by for row in rows] == ["stamp", "publication", "arrival"]
    assert all(row.count > 100 and row.median <= row.p99 <= row.longest for row in rows)
    assert np.isclose(rows[0].median, 0.01, rtol=0.5)
