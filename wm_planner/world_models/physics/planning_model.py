"""A simplified copy of a scene for planning; the scene itself is not changed.

Most of the time of a step goes into collision checks between parts that never touch and into unused sensors,
so leaving these out saves more than any optimisation of the planner. The effect on success is measured in the
original scene (`wm bench physics`).
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import mujoco
from msgspec.structs import replace

from wm_planner.config import Config, Positive, Seconds
from wm_planner.errors import ConfigError, SimulationError, did_you_mean

Part = Literal["self_collision", "sensors", "visuals", "joint_friction"]


class PlanningModel(Config, frozen=True, kw_only=True):
    """The differences between the model used for planning and the scene's; none by default.

    Attributes:
        timestep_s: integration time step in seconds; None for the scene's.
        drop: parts to leave out: `self_collision` between bodies of the same kinematic tree, `sensors`,
            visual geoms (`visuals`), and dry friction in the joints (`joint_friction`).
        no_contact: geoms, or bodies with all their geoms, whose contacts are disabled.
        ik_iterations: iterations of the inverse kinematics per imagined action; None for the controller's.
    """

    timestep_s: Seconds | None = None
    drop: tuple[Part, ...] = ()
    no_contact: tuple[str, ...] = ()
    ik_iterations: Positive | None = None

    @property
    def summary(self) -> str:
        """The differences in words."""
        step = [] if self.timestep_s is None else [f"steps of {1000 * self.timestep_s:g} ms"]
        without = [f"without {part.replace('_', ' ')}" for part in self.drop]
        no_contact = [f"no contact of {name}" for name in self.no_contact]
        plural = "" if self.ik_iterations == 1 else "s"
        ik = [] if self.ik_iterations is None else [f"{self.ik_iterations} iteration{plural} of IK"]
        return ", ".join([*step, *without, *no_contact, *ik]) or "as it is"

    def cumulative(self) -> Iterator["PlanningModel"]:
        """No difference, then one more at a time, the time step last; for an ablation."""
        none = PlanningModel()
        yield none
        for count in range(1, len(self.drop) + 1):
            yield replace(none, drop=self.drop[:count])
        if self.no_contact:
            yield replace(none, drop=self.drop, no_contact=self.no_contact)
        if self.timestep_s is not None:
            yield replace(self, ik_iterations=None)


def compile_planning_model(file: Path, changes: PlanningModel, points: Iterable[str]) -> mujoco.MjModel:
    """Compile the MJCF `file` with `changes`, and add a position sensor, `sensor_of(point)`, for each point.

    Raises:
        ConfigError: if a geom or body named in `changes` does not exist.
        SimulationError: if the file cannot be compiled, or a point does not exist.
    """
    try:
        spec = mujoco.MjSpec.from_file(str(file))
        for part in changes.drop:
            _DROP[part](spec)
        for name in changes.no_contact:
            _disable_contacts(spec, name, file)
        for point in points:
            _add_position_sensor(spec, point, file)
        if changes.timestep_s is not None:
            spec.option.timestep = changes.timestep_s
        return spec.compile()
    except ValueError as error:
        raise SimulationError(f"{file}: MuJoCo cannot compile it ({error})") from None


def sensor_of(point: str) -> str:
    """Name of the position sensor of a point."""
    return f"position of {point}"


def _add_position_sensor(spec: mujoco.MjSpec, point: str, file: Path) -> None:
    """Add the sensor of a site or body; a site takes precedence over a body of the same name."""
    kinds = {"site": mujoco.mjtObj.mjOBJ_SITE, "body": mujoco.mjtObj.mjOBJ_XBODY}
    for kind, objtype in kinds.items():
        if getattr(spec, kind)(point) is not None:
            position = mujoco.mjtSensor.mjSENS_FRAMEPOS
            spec.add_sensor(name=sensor_of(point), type=position, objtype=objtype, objname=point)
            return
    known = _names([*spec.sites, *spec.bodies])
    raise SimulationError(f"{file} has no site or body '{point}', {did_you_mean(point, known)}")


def _disable_contacts(spec: mujoco.MjSpec, name: str, file: Path) -> None:
    geom, body = spec.geom(name), spec.body(name)
    if geom is None and body is None:
        known = _names([*spec.geoms, *spec.bodies])
        raise ConfigError(
            f"planning_model.no_contact: {file.name} has no geom or body '{name}', "
            f"{did_you_mean(name, known)}"
        )
    for each in [geom] if geom is not None else body.geoms:
        each.contype = each.conaffinity = 0


def _drop_self_collision(spec: mujoco.MjSpec) -> None:
    """Exclude the contacts between any two bodies of the same kinematic tree."""
    excluded = {frozenset((pair.bodyname1, pair.bodyname2)) for pair in spec.excludes}
    for number, body in enumerate(spec.bodies):
        body.name = body.name or f"body {number}"  # exclusions refer to bodies by name
    for root in spec.worldbody.bodies:
        tree = [root, *root.find_all("body")]
        for one, other in itertools.combinations([body.name for body in tree if body.geoms], 2):
            if frozenset((one, other)) not in excluded:
                spec.add_exclude(bodyname1=one, bodyname2=other)


def _drop_sensors(spec: mujoco.MjSpec) -> None:
    for sensor in list(spec.sensors):
        spec.delete(sensor)


def _drop_visuals(spec: mujoco.MjSpec) -> None:
    spec.compiler.discardvisual = True


def _drop_joint_friction(spec: mujoco.MjSpec) -> None:
    for joint in spec.joints:
        joint.frictionloss = 0


_DROP: Mapping[Part, Callable[[mujoco.MjSpec], None]] = {
    "self_collision": _drop_self_collision,
    "sensors": _drop_sensors,
    "visuals": _drop_visuals,
    "joint_friction": _drop_joint_friction,
}


def _names(elements: Iterable[Any]) -> list[str]:
    return [element.name for element in elements if element.name]
