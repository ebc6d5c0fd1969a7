"""The extras of pyproject.toml install what the code imports, and nothing else."""

import os
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from import_statements import imports
from packaging.requirements import Requirement

from wm_planner.errors import EXTRAS
from wm_planner.share import SHELVES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_IN_ALL = {"bullet"}  # compiles Bullet where there is no wheel for this Python
FOR_DEVELOPERS = {"test", "dev", "docs", "envs"}  # envs: what the contract test of environments runs

IMPORTED_AS = {"pillow": "PIL", "pyyaml": "yaml", "pyzmq": "zmq", "onnxruntime-gpu": "onnxruntime"}
NEEDED_BY = {
    "onnxscript": "torch",  # torch.onnx.export
}
COMES_WITH = {"pybullet_data": "pybullet"}
PEERS = "wm_planner/bench/peers"  # each measured in an environment of its own
COMPARED_WITH = {"shapely"}  # wm bench driving, if it is installed


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!;~ ]", requirement, maxsplit=1)[0]


def imported_as(requirement: str) -> str:
    name = name_of(requirement)
    return IMPORTED_AS.get(name, name.replace("-", "_"))


def packages(extra: str) -> list[str]:
    requirements = PROJECT["optional-dependencies"][extra]
    return [requirement for requirement in requirements if name_of(requirement) != PROJECT["name"]]


USER_EXTRAS = sorted(PROJECT["optional-dependencies"].keys() - FOR_DEVELOPERS - {"all"})
SOURCES = [file for folder in ("wm_planner", *SHELVES) for file in (ROOT / folder).rglob("*.py")]
IMPORTED = {
    COMES_WITH.get(name := module.partition(".")[0], name)
    for file in SOURCES
    if not file.is_relative_to(ROOT / PEERS)
    for module in imports(file)
}


@pytest.mark.parametrize("extra", USER_EXTRAS)
def test_every_package_of_an_extra_is_imported_or_needed_by_one_that_is(extra):
    for requirement in packages(extra):
        assert NEEDED_BY.get(name_of(requirement), imported_as(requirement)) in IMPORTED, requirement


@pytest.mark.torch
@pytest.mark.skipif("CI" not in os.environ, reason="only in CI everything of `dev` has to be there")
def test_in_ci_nothing_is_skipped_for_want_of_a_package_of_dev():
    """Tests skip themselves where an optional package is missing; in CI that would go unnoticed."""
    extras = {"dev", "test", "docs", *re.findall(r"\w+", " ".join(extras_of("dev") + extras_of("test")))}
    missing = [
        name_of(requirement)
        for extra in extras & PROJECT["optional-dependencies"].keys()
        for requirement in packages(extra)
        if not is_installed(requirement)
    ]
    assert not missing


def extras_of(extra):
    """The other extras of this project that an extra lists, "sim,drive"."""
    requirements = PROJECT["optional-dependencies"][extra]
    return [r.partition("[")[2].rstrip("]") for r in requirements if name_of(r) == PROJECT["name"]]


def is_installed(text):
    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return bool(metadata.version(requirement.name))
    except metadata.PackageNotFoundError:
        return False


def test_every_imported_package_is_a_dependency_or_in_an_extra():
    required = [*PROJECT["dependencies"], *(r for extra in USER_EXTRAS for r in packages(extra))]
    third_party = IMPORTED - sys.stdlib_module_names - {"wm_planner"} - COMPARED_WITH
    assert third_party <= {imported_as(requirement) for requirement in required}


def test_an_import_error_names_an_extra_that_brings_the_package():
    brought = {(imported_as(r), extra) for extra in USER_EXTRAS for r in packages(extra)}
    assert set(EXTRAS.items()) <= brought
    assert EXTRAS.keys() == {package for package, _ in brought}


def test_all_brings_every_extra():
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert sorted(everything.partition("[")[2].rstrip("]").split(",")) == sorted({*USER_EXTRAS} - NOT_IN_ALL)
