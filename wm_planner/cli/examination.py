"""What this machine has and lacks: the answer to "why does it not run here?"."""

import platform
import shutil
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from wm_planner import share
from wm_planner.cli import extras
from wm_planner.errors import EXTRAS, WmError, missing_package
from wm_planner.messaging.domain import Domain
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.execution import providers
from wm_planner.world_models.onnx.model import OnnxWorldModel

FREE_GB = 1.0  # ten times what the recordings of a demonstration take


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        what: was examined.
        mark: "ok", "bad", or "--" for an option that is not installed.
        found: versions, a path, or what is wrong and how to fix it.
    """

    what: str
    mark: Literal["ok", "bad", "--"]
    found: str


def examine() -> Iterator[Finding]:
    """Examine the installation, the machine and the shipped bundles."""
    yield from _installation()
    yield _try("camera pictures", _picture)
    yield _try("compute", lambda: ", ".join(providers("auto")))
    yield _try("messages", lambda: str(Domain.named("doctor").path.parent))
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield Finding("free disk", "ok" if free > FREE_GB else "bad", f"{free:.1f} GB in {Path.cwd()}")
    for name in share.listing("models/bundles"):
        yield _try(f"models/bundles/{name}", lambda name=name: _bundle(name))  # type: ignore[misc]


def _installation() -> Iterator[Finding]:
    """Python, the package, its dependencies and its extras."""
    python = f"{platform.python_version()} on {platform.platform()}"
    folder = Path(share.__file__).parent
    try:
        required, supported = extras.requirements(), extras.supported_pythons()
    except metadata.PackageNotFoundError:
        yield Finding("python", "ok", python)
        yield Finding(
            extras.DISTRIBUTION, "bad", f"imported from {folder} but not installed: pip install -e ."
        )
        return
    if not supported or python.startswith(tuple(f"{version}." for version in supported)):
        yield Finding("python", "ok", python)
    else:
        yield Finding("python", "--", f"{python}; tested with {_any_of(supported)} only")
    yield Finding(extras.DISTRIBUTION, "ok", f"{metadata.version(extras.DISTRIBUTION)} in {folder}")
    yield _dependencies(extras.examine("", required, supported))
    for name in dict.fromkeys(EXTRAS.values()):
        yield _extra(name, extras.examine(name, required, supported))


def _dependencies(found: extras.Extra) -> Finding:
    wrong = [*(f"{name} is not installed" for name in found.missing), *found.outdated]
    if wrong:
        return Finding("dependencies", "bad", f"{', '.join(wrong)}: pip install --upgrade wm-planner")
    return Finding("dependencies", "ok", _versions(found))


def _extra(name: str, found: extras.Extra) -> Finding:
    what, install = f"extra {name}", f"'wm-planner[{name}]'"
    if found.outdated:
        return Finding(what, "bad", f"needs {', '.join(found.outdated)}: pip install --upgrade {install}")
    if found.pythons:
        return Finding(what, "--", f"not available for this Python: use {_any_of(found.pythons)}")
    if found.installed and not found.missing:
        return Finding(what, "ok", _versions(found))
    lacks = f"lacks {', '.join(found.missing)}" if found.installed else "not installed"
    return Finding(what, "--", f"{lacks}: pip install {install}")


def _versions(found: extras.Extra) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.installed.items())


def _any_of(versions: list[str]) -> str:
    return "Python " + " or ".join(filter(None, (", ".join(versions[:-1]), *versions[-1:])))


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", look())
    except ModuleNotFoundError as error:
        return Finding(what, "--", missing_package(error))
    except (WmError, ImportError) as error:
        return Finding(what, "bad", str(error))


def _picture() -> str:
    """Render the cameras of the reaching scene."""
    from wm_planner.simulation.mujoco import MujocoSimulator
    from wm_planner.simulation.scene import load_scene

    simulator = MujocoSimulator(load_scene("sim/panda_reach.py"))
    pictures = simulator.reset(0).images
    simulator.close()
    shapes = (f"{name} {picture.shape}" for name, picture in pictures.items())
    return f"rendered by MuJoCo: {', '.join(shapes)}"


def _bundle(name: str) -> str:
    folder = share.find(f"models/bundles/{name}")
    OnnxWorldModel.load(folder)
    return f"{read_card(folder).family}, graphs match the card"
