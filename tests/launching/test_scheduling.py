"""Priority and cores of nodes: checked before any process starts, in force in all of its threads."""

import os
import subprocess
import sys

import pytest
from toys import new_domain_name, write_toys

from wm_planner.errors import ConfigError
from wm_planner.launching import file
from wm_planner.launching.run import Launched, prepare
from wm_planner.launching.supervisor import Supervisor
from wm_planner.node.scheduling import Scheduling

CORE = min(os.sched_getaffinity(0))

REPORTING = """
import os
from pathlib import Path

from wm_planner.config import Config
from wm_planner.node import Node, run


class Reporter(Node):
    class Params(Config, frozen=True, kw_only=True):
        out: str

    def activate(self):
        threads = [int(each.name) for each in Path("/proc/self/task").iterdir()]
        seen = {(os.getpriority(os.PRIO_PROCESS, each), *os.sched_getaffinity(each)) for each in threads}
        Path(self.params.out).write_text(f"{len(threads)} {sorted(seen)}")
        self.finish("seen")


if __name__ == "__main__":
    run(Reporter)
"""


@pytest.fixture
def launch(tmp_path):
    """Load a launch file of one node with these keys."""
    write_toys(tmp_path)
    (tmp_path / "reporter.py").write_text(REPORTING)

    def load(keys: str) -> file.LaunchSpec:
        path = tmp_path / "reporting.yaml"
        out = tmp_path / "seen.txt"
        path.write_text(
            f"nodes: [{{exec: {tmp_path}/reporter.py, params: {{out: {out}}}, on_exit: shutdown, {keys}}}]"
        )
        return file.load(path, "monday")

    return load


def test_a_node_runs_with_its_nice_value_on_its_core_in_all_threads(launch, tmp_path):
    spec = launch(f"nice: 7, cores: [{CORE}]")
    Supervisor(spec, tmp_path / "run", new_domain_name()).run()
    count, _, seen = (tmp_path / "seen.txt").read_text().partition(" ")
    assert seen == str([(7, CORE)])
    assert int(count) > 1  # ZeroMQ's threads too


def test_a_node_without_these_keys_is_scheduled_as_its_supervisor(launch, tmp_path):
    Supervisor(launch(""), tmp_path / "run", new_domain_name()).run()
    mine = (os.getpriority(os.PRIO_PROCESS, 0), *os.sched_getaffinity(0))
    assert (tmp_path / "seen.txt").read_text().partition(" ")[2] == str([mine])


def test_the_folder_of_a_run_tells_how_its_nodes_are_scheduled(launch, tmp_path):
    [node] = Launched.read(prepare(tmp_path / "monday", launch(f"nice: 3, cores: [{CORE}]"))).nodes
    assert (node.priority, node.nice, node.cores) == (None, 3, (CORE,))


def test_a_check_leaves_this_process_as_it_is():
    before = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    Scheduling(nice=19, cores=(CORE,)).check()
    assert (os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


def test_real_time_priority_is_in_force_where_the_system_permits_it():
    program = (
        "import os; from wm_planner.node.scheduling import Scheduling\n"
        "Scheduling(priority=5).apply()\n"
        "print(os.sched_getscheduler(0) == os.SCHED_FIFO, os.sched_getparam(0).sched_priority)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "5"] or "this user may not use real-time priority 5" in done.stderr


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("priority: 50", "may not use real-time priority 50: give it the limit `rtprio 50` in"),
        ("nice: -5", "may not use the nice value -5: give it the limit `nice -5` in"),
    ],
)
def test_what_the_user_may_not_use_is_refused_with_what_would_permit_it(launch, monkeypatch, keys, words):
    def refuse(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "setpriority", refuse)
    with pytest.raises(ConfigError, match=r"nodes\[0\] \(.*reporter.py\): this user " + words):
        launch(keys)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("cores: [4095]", r"cores is \[4095\], this process may run on \["),
        ("cores: [-1]", r"nodes\[0\].cores\[0\]: "),
        ("priority: 0", r"nodes\[0\].priority: "),
        ("priority: high", r"nodes\[0\].priority: "),
        ("priority: 5, nice: 5", "got priority and nice, wanted one of them"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(launch, keys, words):
    with pytest.raises(ConfigError, match=words):
        launch(keys)
