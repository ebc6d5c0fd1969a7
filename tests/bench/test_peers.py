"""Peer processes and environments, with programs of the test in place of the peers."""

import sys
from pathlib import Path

import pytest

from wm_planner import share
from wm_planner.bench import peer_environment as e
from wm_planner.bench.measurements import peers as b
from wm_planner.bench.measurements.bus import PEERS as BUS_PEERS
from wm_planner.bench.measurements.commonroad_tools import COMMONROAD
from wm_planner.bench.measurements.versions import PROGRAM as CHECKOUT
from wm_planner.bench.measurements.versions import version_rows
from wm_planner.bench.peer_environment import (
    PROGRAMS,
    Peer,
    PeerProcess,
    python_of,
)
from wm_planner.errors import ConfigError

PROGRAM = """
import time

def planners():
    print("output of a peer")
    return {"quick": lambda: print("more output"), "slow": lambda: keep_busy(0.02)}

def keep_busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def costs(plans):
    return [sum(map(sum, plan)) for plan in plans]
"""


@pytest.fixture
def process(tmp_path):
    (tmp_path / "peer.py").write_text(PROGRAM)
    with PeerProcess(Peer("peer", "1", str(tmp_path / "peer.py")), Path(sys.executable)) as running:
        yield running


def test_a_peer_reports_cpu_times_whatever_it_prints(process):
    assert max(process.plan_seconds("quick", 3)) < 0.01
    slow = process.plan_seconds("slow", 3)
    assert len(slow) == 3 and min(slow) >= 0.02


def test_a_function_of_the_program_can_be_called(process):
    assert process.call("costs", plans=[[[1.0], [2.0]]]) == [3.0]


def test_a_peer_with_another_problem_is_refused(process):
    assert process.costs([[[1.0, 2.0], [3.0, 4.0]]]) == [10.0]
    with pytest.raises(ConfigError, match="the problems are not the same"):
        b.check_costs(process, b.bicycle_problem())


@pytest.mark.torch
def test_the_problem_of_pytorch_mppi_equals_ours():
    program = PROGRAMS / "pytorch_mppi.py"  # needs only torch until it plans
    with PeerProcess(Peer("pytorch-mppi", "1", str(program)), Path(sys.executable)) as process:
        b.check_costs(process, b.bicycle_problem())


def test_an_ended_peer_is_an_error_with_the_command_to_debug_it(process):
    with pytest.raises(ConfigError, match=r"peer 1 ended without a reply: run `.*serve.py .*peer.py`"):
        process.plan_seconds("unknown", 1)


def test_a_peer_is_installed_once_and_a_failed_install_is_removed(tmp_path, monkeypatch):
    created = []

    def create(folder, with_pip):
        """An environment whose pip succeeds the second time."""
        created.append(folder)
        (folder / "bin").mkdir(parents=True)
        python = folder / "bin" / "python"
        python.write_text(f"#!/bin/sh\necho no such version >&2\nexit {2 - len(created)}\n")
        python.chmod(0o755)

    monkeypatch.setattr(e.venv, "create", create)
    peer = Peer("peer", "1.2", "peer.py")
    with pytest.raises(ConfigError, match=r"peer==1.2 cannot be installed for .*: no such version"):
        python_of(peer, tmp_path)
    assert not list(tmp_path.iterdir())
    assert [python_of(peer, tmp_path) for _ in range(2)] == [tmp_path / "peer-1.2" / "bin" / "python"] * 2
    assert len(created) == 2


def test_a_peer_that_cannot_run_is_skipped_with_a_message(monkeypatch, capsys):
    def refuse(peer):
        raise ConfigError("no such version")

    monkeypatch.setattr(b, "python_of", refuse)
    assert b.peer_table().row_count == 0
    output = capsys.readouterr().out
    assert [f"skipped {peer.package} {peer.version}" in output for peer in b.PAIRS] == [True] * 3


def test_every_peer_has_a_program():
    programs = {peer.program for peer in (*b.PAIRS, COMMONROAD, *BUS_PEERS.values())} | {"serve.py", CHECKOUT}
    assert programs == {file.name for file in PROGRAMS.glob("*.py")}


def test_two_checkouts_are_compared(tmp_path):
    here = Path(share.__file__).parents[1]
    rows = list(version_rows(here, repeats=2))
    assert [row.plan for row in rows] == ["small", "token", "cem driver"]
    assert all(row.low <= row.ratio <= row.high and row.here_s > 0 for row in rows)
    with pytest.raises(ConfigError, match="has no wm_planner"):
        next(version_rows(tmp_path, repeats=2))
