"""End-effector deltas: an action moves the tool point, inverse kinematics finds the joints.

The target is the measured tool point plus the action, so that what a camera sees decides what an action
does (nothing winds up while an obstacle holds the arm). All methods take any batch axes, because planning
over physics asks for thousands of configurations at once.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner.control.kinematics import Floats, SerialChain, rotation_error
from wm_planner.errors import SimulationError, did_you_mean

ITERATIONS = 6
SETTLED = 60  # iterations from the home posture to anywhere in the workspace
DAMPING = 1e-3  # lambda^2, in m^2: 2 % of full speed lost at a singular value of 0.22
RAMP = 0.6  # share of a control period over which joint targets move; over all of it an arm lags 16 mm
POSTURE_GAIN = 0.1  # share of the way to the home posture taken in the null space, an iteration

_DAMPED = DAMPING * np.eye(6)


@dataclass(frozen=True, slots=True)
class EndEffectorDelta:
    """Turns a displacement of the tool point into joint positions, by damped least squares.

    Attributes:
        chain: the arm.
        home: posture that the spare joint freedom is pulled to, rad, (J,).
        orientation: of the tool, kept at all times, (3, 3), base frame.
        velocity_limits: rad/s, (J,).
        low, high: where the tool point may be commanded, m, (3,).
        iterations: of the inverse kinematics, an action.
    """

    chain: SerialChain
    home: Floats
    orientation: Floats
    velocity_limits: Floats
    low: Floats
    high: Floats
    iterations: int = ITERATIONS
    depends_on_posture: bool = True

    @classmethod
    def load(cls, file: Path, site: str = "tcp") -> "EndEffectorDelta":
        """Read a robot's MJCF file.

        Raises:
            SimulationError: if MuJoCo cannot compile it, or it lacks something; see `of`.
        """
        try:
            model = mujoco.MjModel.from_xml_path(str(file))
        except ValueError as error:
            raise SimulationError(f"{file}: MuJoCo cannot compile it ({error})") from None
        return cls.of(model, site)

    @classmethod
    def of(cls, model: mujoco.MjModel, site: str = "tcp") -> "EndEffectorDelta":
        """Read everything from a robot's MJCF: site `tcp`, keyframe `home`, numerics `joint_velocity_limits`
        (rad/s) and `workspace` (low x y z, high x y z in m).

        Raises:
            SimulationError: naming what the model lacks.
        """
        chain = SerialChain.of(model, site)
        joints = [int(model.joint(name).qposadr[0]) for name in chain.names]
        home = _keyframe(model, "home")[joints]
        workspace = _numeric(model, "workspace", 6)
        return cls(
            chain=chain,
            home=home,
            orientation=chain.forward(home)[1],
            velocity_limits=_numeric(model, "joint_velocity_limits", len(joints)),
            low=workspace[:3],
            high=workspace[3:],
        )

    @property
    def joints(self) -> tuple[str, ...]:
        return self.chain.names

    @property
    def bounds(self) -> tuple[Floats, Floats, Floats]:
        """Low and high end of the joint targets in rad, and their largest change a second, (J,) each."""
        return self.chain.low, self.chain.high, self.velocity_limits

    def target(self, tcp: Floats, action: Floats) -> Floats:
        """Where `action` (..., 3) in m sends a tool point at `tcp` (..., 3), kept inside the workspace."""
        return np.clip(tcp + action, self.low, self.high)

    def command(self, q: Floats, action: Floats) -> Floats:
        """Joint positions (..., J) in rad that carry out `action` (..., 3) in m from posture `q` (..., J)."""
        seen = self.chain.jacobian(q)
        return self._descend(q, seen, self.target(seen[0], action), self.iterations)

    def position(self, q: Floats) -> Floats:
        """Where the tool point is, (..., 3) in m, in posture `q` (..., J)."""
        return self.chain.forward(q)[0]

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Joint targets (..., substeps, J) of a control period that leads from `start` to `end`, (..., J)."""
        return ramp(start, end, substeps)

    def with_iterations(self, iterations: int) -> "EndEffectorDelta":
        """The same with so many iterations of the inverse kinematics an action."""
        return replace(self, iterations=iterations)

    def at_rest(self, tcp: Floats) -> Floats:
        """Joint positions (J,) whose tool point is at `tcp`, (3,) m, from the home posture."""
        return self.solve(self.home, tcp, SETTLED)

    def solve(self, q: Floats, tcp: Floats, iterations: int = ITERATIONS) -> Floats:
        """Joint positions (..., J) near `q` whose tool point is at `tcp` (..., 3), within the joint limits.

        Damped least squares with a null-space pull to the home posture.
        Source: Buss, Introduction to Inverse Kinematics (2004), sections 6 and 7.
        """
        return self._descend(q, self.chain.jacobian(q), tcp, iterations)

    def _descend(
        self, q: Floats, seen: tuple[Floats, Floats, Floats], tcp: Floats, iterations: int
    ) -> Floats:
        """`solve` from a posture whose position, rotation and Jacobian were `seen`."""
        for left in reversed(range(iterations)):
            position, rotation, jacobian = seen
            way = tcp - position
            error = np.empty((*way.shape[:-1], 6))
            error[..., :3] = way
            error[..., 3:] = rotation_error(self.orientation, rotation)
            posture = POSTURE_GAIN * (self.home - q)
            wanted = error - (jacobian @ posture[..., None])[..., 0]
            lifted = np.linalg.solve(jacobian @ jacobian.mT + _DAMPED, wanted[..., None])
            q = q + posture + (jacobian.mT @ lifted)[..., 0]
            q = np.minimum(np.maximum(q, self.chain.low), self.chain.high)  # np.clip takes 3 times as long
            if left:
                seen = self.chain.jacobian(q)
        return q


def ramp(start: Floats, end: Floats, substeps: int) -> Floats:
    """Joint targets (..., substeps, J) from `start` to `end`, (..., J): linear over `RAMP`, then held."""
    share = np.minimum(np.arange(1, substeps + 1) / (RAMP * substeps), 1.0)[:, None]
    return start[..., None, :] + share * (end - start)[..., None, :]


def _numeric(model: mujoco.MjModel, name: str, size: int) -> NDArray[np.float64]:
    names = [model.numeric(i).name for i in range(model.nnumeric)]
    if name not in names:
        raise SimulationError(f"the robot's MJCF has no <numeric name='{name}'>, {did_you_mean(name, names)}")
    data = np.array(model.numeric(name).data)
    if len(data) != size:
        raise SimulationError(f"<numeric name='{name}'> has {len(data)} numbers, wanted {size}")
    return data


def _keyframe(model: mujoco.MjModel, name: str) -> NDArray[np.float64]:
    names = [model.key(i).name for i in range(model.nkey)]
    if name not in names:
        raise SimulationError(f"the robot's MJCF has no keyframe '{name}', {did_you_mean(name, names)}")
    return np.array(model.key(name).qpos)
