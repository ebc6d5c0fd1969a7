"""What this machine has and lacks: the answer to "why does it not run here?"."""

import platform
import shutil
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from wm_planner import share
from wm_planner.errors import EXTRAS, WmError
from wm_planner.messaging.domain import Domain
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.model import OnnxWorldModel, providers

PACKAGES = ("numpy", "scipy", "msgspec", "pyzmq", "rosbags", "mcap", "onnxruntime-gpu", "onnxruntime")
_DISTRIBUTIONS = {"PIL": "pillow"}  # where the name to install is not the name to import
FREE_GB = 1.0  # recordings of a demonstration need a tenth of it


class Finding(NamedTuple):
    """One line of the report: what was looked at, whether it is in order, what was found."""

    what: str
    is_well: bool
    found: str


def examine() -> Iterator[Finding]:
    """Look at everything, one finding after the other."""
    yield Finding("python", True, f"{platform.python_version()} on {platform.platform()}")
    for package in (*PACKAGES, *EXTRAS):
        version = _version(package)
        if version or package in EXTRAS:
            yield Finding(package, True, version or f"not here: pip install 'wm-planner[{EXTRAS[package]}]'")
    yield _try("camera pictures", _picture)
    yield _try("compute", lambda: ", ".join(providers("auto")))
    yield _try("messages", lambda: str(Domain.named("doctor").path.parent))
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield Finding("free disk", free > FREE_GB, f"{free:.1f} GB in {Path.cwd()}")
    for name in share.listing("models/bundles"):
        yield _try(f"models/bundles/{name}", lambda name=name: _bundle(name))  # type: ignore[misc]


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except (WmError, ImportError) as error:
        return Finding(what, False, str(error))


def _version(package: str) -> str | None:
    try:
        return metadata.version(_DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        return None


def _picture() -> str:
    """Draw one picture of the reaching scene."""
    from wm_planner.simulation.mujoco import MujocoSimulator
    from wm_planner.simulation.scene import load_scene

    simulator = MujocoSimulator(load_scene("sim/panda_reach.py"))
    pictures = simulator.reset(0).images
    simulator.close()
    return f"drawn by MuJoCo: {', '.join(f'{name} {picture.shape}' for name, picture in pictures.items())}"


def _bundle(name: str) -> str:
    folder = share.find(f"models/bundles/{name}")
    OnnxWorldModel.load(folder)
    return f"{read_card(folder).family}, graphs match the card"
