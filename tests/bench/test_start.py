"""The benchmark of starts."""

import pytest
from toy_run import Run

from wm_planner.bench.measurements import start
from wm_planner.bench.measurements.start import ALL_NODES, Start


@pytest.mark.parametrize("is_grouped", [False, True])
def test_the_start_of_every_node_is_measured_until_it_is_active(tmp_path, is_grouped):
    run = Run(tmp_path)
    run.params("talker", ticks=10**9)
    found = start._launched(run.spec, tmp_path / "run", is_grouped)
    assert found.keys() == ({ALL_NODES} if is_grouped else run.nodes.keys())
    assert all(each.cpu_s > 0 and each.wall_s > 0 for each in found.values())
    assert run.is_clean


def test_the_cpu_time_of_a_program_is_its_own():
    idle = start._run(("-c", "pass"))
    busy = start._run(("-c", "import time\nwhile time.process_time() < 0.5: pass"))
    assert busy.cpu_s >= 0.5 > idle.cpu_s


def test_the_table_names_every_row():
    rows = start.start_table({"planner": Start(0.5, 1.0)}, "Starts")
    assert [list(column.cells) for column in rows.columns] == [["planner"], ["0.50"], ["1.00"]]
