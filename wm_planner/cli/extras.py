"""The dependencies and extras of the installed distribution, read from its own metadata."""

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple

from packaging.requirements import Requirement

DISTRIBUTION = "wm-planner"
_PYTHON = "Programming Language :: Python :: 3."


class Extra(NamedTuple):
    """How much of an extra is installed.

    Attributes:
        installed: package name to version.
        missing: names of the packages that are not installed.
        outdated: packages older than required, e.g. "mujoco>=3.6 (3.1.0 is installed)".
        pythons: the Python versions that every package supports, if this version is not one of them.
    """

    installed: dict[str, str]
    missing: list[str]
    outdated: list[str]
    pythons: list[str]


def requirements() -> list[Requirement]:
    """Everything that the distribution requires; the marker of a requirement names its extra.

    Raises:
        PackageNotFoundError: if the package is imported from a folder and was never installed.
    """
    return [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]


def supported_pythons() -> list[str]:
    """The Python versions that the distribution is tested with, e.g. "3.11"."""
    classifiers = metadata.metadata(DISTRIBUTION).get_all("Classifier") or ()
    return [text.rpartition(" ")[2] for text in classifiers if text.startswith(_PYTHON)]


def examine(extra: str, required: Sequence[Requirement], pythons: Sequence[str]) -> Extra:
    """Compare what an extra requires with what is installed.

    Args:
        extra: its name; empty for the dependencies of every installation.
        required: by the distribution.
        pythons: the versions to choose from if a package does not support this one.
    """
    found = Extra({}, [], [], [])
    here = _of(extra, required, ".".join(platform.python_version_tuple()[:2]))
    for requirement in here:
        name, wanted = requirement.name, requirement.specifier
        try:
            version = found.installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.missing.append(name)
            continue
        if not wanted.contains(version, prereleases=True):
            found.outdated.append(f"{name}{wanted} ({version} is installed)")
    elsewhere = {python: len(_of(extra, required, python)) for python in pythons}
    most = max(elsewhere.values(), default=0)
    if most > len(here):
        found.pythons.extend(python for python, count in elsewhere.items() if count == most)
    return found


def _of(extra: str, required: Sequence[Requirement], python: str) -> list[Requirement]:
    """The requirements that an extra adds on a version of Python."""

    def applies(requirement: Requirement, extra: str) -> bool:
        environment = {"extra": extra, "python_version": python, "python_full_version": f"{python}.0"}
        return requirement.marker is None or requirement.marker.evaluate(environment)

    return [r for r in required if applies(r, extra) and not (extra and applies(r, ""))]
