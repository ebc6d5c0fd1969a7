"""The option `--data`: where the data lies that is too large for the repository."""

import os
from pathlib import Path

import pytest

MISSING = pytest.StashKey[set[str]]()


def pytest_addoption(parser):
    default = Path(__file__).parents[2] / "shared" / "data"
    parser.addoption("--data", type=Path, default=default, help=f"folder of reference data ({default})")


@pytest.fixture(scope="session")
def shared_data(request):
    """Finds a folder of the reference data by its name; skips, loudly, or fails in CI, if it is not there."""

    def find(name):
        path = request.config.getoption("--data") / name
        if path.is_dir():
            return path
        reason = f"no reference data at {path}; give its parent by --data"
        if os.environ.get("CI"):
            pytest.fail(reason)
        request.config.stash.setdefault(MISSING, set()).add(reason)
        return pytest.skip(reason)

    return find


def pytest_terminal_summary(terminalreporter, config):
    for reason in sorted(config.stash.get(MISSING, set())):
        terminalreporter.write_line(f"NOT TESTED: {reason}", red=True, bold=True)
