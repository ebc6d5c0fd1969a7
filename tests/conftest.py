"""Options for what is not in the repository (`--data=FOLDER`, `--commonroad=PYTHON`); skips that are seen;
the marker `torch`.
"""

import importlib
import os
import time
from pathlib import Path

import pytest
from import_statements import needs_torch


def pytest_addoption(parser):
    default = Path(__file__).parents[2] / "shared" / "data"
    parser.addoption("--data", type=Path, default=default, help=f"folder of reference data ({default})")
    parser.addoption("--commonroad", type=Path, help="a Python with CommonRoad's own tools, to compare with")


def pytest_ignore_collect(collection_path, config):
    """With `-m "not torch"` leaves alone what could not even be imported without torch."""
    is_deselected = "not torch" in config.option.markexpr and collection_path.suffix == ".py"
    return True if is_deselected and needs_torch(collection_path) else None


def pytest_itemcollected(item):
    if needs_torch(item.path):
        item.add_marker(pytest.mark.torch)


@pytest.fixture(params=["array_api_strict", pytest.param("torch", marks=pytest.mark.torch)])
def namespace(request):
    """An array library other than NumPy."""
    return importlib.import_module(request.param)


@pytest.fixture
def peers():
    """Peers in a domain of their own."""
    from toys import Peers, new_domain_name

    from wm_planner.messaging.domain import Domain

    peers = Peers(Domain.named(new_domain_name()))
    yield peers
    peers.close()
    peers.domain.remove()


@pytest.fixture(scope="session")
def skip_loudly():
    """Skips a test for want of something that CI has; there it fails instead."""

    def skip(reason):
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)

    return skip


@pytest.fixture(scope="session")
def shared_data(request, skip_loudly):
    """Finds a folder of the reference data by its name."""

    def find(name):
        path = request.config.getoption("--data") / name
        if not path.is_dir():
            skip_loudly(f"no reference data at {path}; give its parent by --data=FOLDER")
        return path

    return find


@pytest.fixture
def own_machine(skip_loudly):
    """Skips a test of real time where other processes take the cores that it needs."""
    ready = []
    for _ in range(50):
        ready.append(int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]) - 1)  # less this process
        time.sleep(0.01)
    if sum(ready) > 0.5 * len(ready):
        skip_loudly("other processes are running: real time needs the machine to itself")


@pytest.fixture
def bench():
    """Puts node programs on a bench each; see node_bench.py."""
    from node_bench import Bench  # the engine is not needed to say which data is missing

    benches = []

    def make(program, mode="lockstep", **params):
        benches.append(Bench(program, mode, **params))
        return benches[-1]

    yield make
    for made in benches:
        made.close()


def pytest_terminal_summary(terminalreporter):
    """Says in red why tests were skipped."""
    skipped = terminalreporter.stats.get("skipped", [])
    for reason in sorted({report.longrepr[2].removeprefix("Skipped: ") for report in skipped}):
        terminalreporter.write_line(f"NOT TESTED: {reason}", red=True, bold=True)
