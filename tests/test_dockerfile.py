"""The Dockerfile of a robot's image names extras and files that exist, which suffice for its nodes."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from wm_planner.errors import EXTRAS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/deploy/Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRA_PACKAGES = PROJECT["optional-dependencies"]
IMPORTED_AS = {"pillow": "PIL"}

RUN_NODES = """
import json, sys

class NotInstalled:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

sys.meta_path.insert(0, NotInstalled)
from node_bench import Bench

states = []
for program, params in json.loads(sys.argv[1]):
    made = Bench(program, "realtime", **params)
    states.append(made.node.state)
    made.close()
print(json.dumps(states))
"""
BUNDLE = {"world_model": "models/bundles/panda_reach_small"}
SEARCH = {"planner": {"type": "icem", "horizon": 2}, "costs": [{"type": "latent_goal"}]}
NODES = {
    "portable": [
        ("perception", BUNDLE),
        ("planner", BUNDLE | SEARCH),
        ("controller", {"control": {"type": "passthrough"} | BUNDLE, "control_dt_s": 0.2}),
    ],
    "portable,sim": [("controller", {"control": {"type": "ee_delta", "robot": "sim/panda_reach.xml"}})],
}
"""Extras that the file names, and nodes of a robot that needs them."""


def brought_by(extras):
    """The packages, as they are imported, that some extras install."""
    named = [Requirement(text).name for each in extras.split(",") for text in EXTRA_PACKAGES[each]]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in named}


def test_the_extras_that_are_named_exist_and_bring_no_simulator_by_default():
    named = re.findall(r"extras=([\w,]+)", TEXT)
    assert set(named) >= set(NODES)
    assert {extra for each in named for extra in each.split(",")} <= EXTRA_PACKAGES.keys()
    default = re.search(r"^ARG extras=([\w,]+)$", TEXT, re.MULTILINE)[1]
    assert not brought_by(default) & {"mujoco", "torch", "gymnasium"}


def test_the_python_of_the_image_is_one_that_is_tested():
    version = re.search(r"^FROM python:(3\.\d+)-slim$", TEXT, re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_the_files_and_the_command_of_the_image_exist():
    copied = re.search(r"^COPY (.*) /tmp/$", TEXT, re.MULTILINE)[1].split()
    assert copied == ["dist/*.whl", "constraints.txt"]
    assert (ROOT / "constraints.txt").is_file()
    assert "dist:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r'^ENTRYPOINT \["(\w+)"\]$', TEXT, re.MULTILINE)[1] in PROJECT["scripts"]


@pytest.mark.parametrize("extras", NODES)
def test_its_nodes_start_with_the_packages_of_the_image_alone(extras, tmp_path):
    hidden = EXTRAS.keys() - brought_by(extras)
    assert "torch" in hidden and ("mujoco" in hidden) == ("sim" not in extras)
    nodes = [*NODES[extras], ("recorder", {"path": str(tmp_path / "episodes.mcap")})]
    paths = os.pathsep.join([str(ROOT / "tests/support"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", RUN_NODES.format(hidden=hidden), json.dumps(nodes)],
        env=os.environ | {"PYTHONPATH": paths, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["active"] * len(nodes)
