"""Physics that diverges: values that are not finite, or larger than MuJoCo takes."""

from collections.abc import Iterator
from contextlib import contextmanager

import mujoco
import numpy as np

_WARNINGS = tuple(
    kind.value
    for kind in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
        mujoco.mjtWarning.mjWARN_BADCTRL,  # MuJoCo sets all controls to 0
    )
)


def keep_diverged(model: mujoco.MjModel) -> None:
    """Keep MuJoCo from resetting a diverged simulation, which would then seem to go on."""
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET


def has_diverged(data: mujoco.MjData) -> bool:
    """Whether the simulation has diverged since its last reset, or its state is not finite."""
    is_finite = np.isfinite(data.qpos).all() and np.isfinite(data.qvel).all()
    return not is_finite or any(data.warning[warning].number for warning in _WARNINGS)


def forget_divergence(data: mujoco.MjData) -> None:
    """Clear what `has_diverged` looks at, after a valid state was restored."""
    for warning in _WARNINGS:
        data.warning[warning].number = 0


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress MuJoCo's warnings on the terminal and in MUJOCO_LOG.TXT."""
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)
