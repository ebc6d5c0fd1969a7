"""The wheel holds the shelves, and runs where there is no checkout."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from wm_planner.share import SHELVES

ROOT = Path(__file__).parents[1]
SHARE = "wm_planner/share/"


def build(source, out):
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(out)]
    subprocess.run(command, cwd=source, capture_output=True, check=True)


def contents(wheel):
    """The name and the checksum of every file in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def on_the_shelves():
    for shelf in SHELVES:
        for path in (ROOT / shelf).rglob("*"):
            if path.is_file() and path.parent.name != "__pycache__":
                yield str(path.relative_to(ROOT))


@pytest.fixture(scope="session")
def built(tmp_path_factory, skip_loudly):
    """A folder with the wheel and the source archive of this checkout."""
    if find_spec("hatchling") is None:
        skip_loudly("no wheel is built without hatchling; pip install 'wm-planner[dev]'")
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="session")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_holds_the_engine_and_the_shelves(wheel):
    names = contents(wheel).keys()
    assert {name.removeprefix(SHARE) for name in names if name.startswith(SHARE)} == set(on_the_shelves())
    assert {str(file.relative_to(ROOT)) for file in (ROOT / "wm_planner").rglob("*.py")} <= names
    assert "wm_planner/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"wm_planner"}


def test_the_citation_and_the_changelog_name_the_version_of_the_wheel(wheel):
    version = wheel.name.split("-")[1]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_the_source_archive_builds_the_same_wheel_and_brings_the_tests(built, wheel, tmp_path):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    assert {"tests", "docs", "Makefile", "constraints.txt", "LICENSE"} <= {
        path.name for path in folder.iterdir()
    }
    build(folder, tmp_path / "dist")
    (again,) = (tmp_path / "dist").glob("*.whl")
    assert contents(again) == contents(wheel)


# --- outside of the checkout


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """Runs `wm` of the wheel in an environment of its own, which borrows the dependencies of this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(str(Path(pytest.__file__).parents[1]))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(program, *arguments, cwd):
        command = [folder / "bin" / program, *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    done = run("pip", "install", "--no-index", "--no-deps", "--force-reinstall", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.slow
def test_the_demonstration_runs_from_the_wheel(installed, tmp_path):
    where = installed("python", "-c", "import wm_planner; print(wm_planner.__file__)", cwd=tmp_path)
    assert "/venv/lib/" in where.stdout
    done = installed("wm", "demo", "--episodes", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "within 5 cm      2 of 2" in done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    assert {"summary.json", "distance.png", "episodes.mp4", "episodes.mcap"} <= {
        p.name for p in run.iterdir()
    }
