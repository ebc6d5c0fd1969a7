"""End-effector deltas: an action displaces the tool point, and inverse kinematics finds the joint positions.

The target is the measured tool point plus the action, so that an action means the same whatever happened
before, and errors do not accumulate while an obstacle blocks the arm. All methods take any batch axes,
because planning with physics evaluates thousands of configurations at once.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from wm_planner.control.kinematics import Floats, Kinematics, SerialChain, rotation_error
from wm_planner.errors import SimulationError, did_you_mean
from wm_planner.world_models.physics.drives import Kind

ITERATIONS = 6
CONVERGED = 60  # iterations that suffice from the home posture to anywhere in the workspace
REFINING = 20  # iterations without the pull of the home posture, where that leaves more than REFINED_M
REFINED_M = 0.005
AT_REST_M = 0.02  # left over in a placed posture; 16 mm in the far upper corners of the Panda's workspace
DAMPING = 1e-3  # lambda^2, in m^2: costs 2 % of the speed at a singular value of 0.22
RAMP = 0.6  # fraction of a control period over which joint targets move; with 1.0 the arm lags by 16 mm
POSTURE_GAIN = 0.1  # fraction of the distance to the home posture per iteration, in the null space

TOOL_SITE = "tcp"
"""Name of the site that is a robot's tool point, unless another is named."""

_DAMPED = DAMPING * np.eye(6)


@dataclass(frozen=True, slots=True)
class EndEffectorDelta:
    """Converts displacements of the tool point to joint positions by damped least squares.

    Attributes:
        chain: kinematics of the arm.
        home: posture that redundant joints are drawn to, (J,) in rad.
        orientation: of the tool, kept constant, (3, 3), base frame.
        velocity_limits: of the joints, (J,) in rad/s.
        low, high: corners of the workspace that tool targets are clipped to, (3,) in m, base frame.
        iterations: of the inverse kinematics per action.
    """

    chain: Kinematics
    home: Floats
    orientation: Floats
    velocity_limits: Floats
    low: Floats
    high: Floats
    iterations: int = ITERATIONS
    depends_on_posture: bool = True
    kind: Kind = "position"

    @classmethod
    def of(cls, model: mujoco.MjModel, site: str = TOOL_SITE) -> "EndEffectorDelta":
        """Read the parameters from a robot's model.

        They are the tool point `site`, the keyframe `home`, and the numerics `joint_velocity_limits` (rad/s)
        and `workspace` (low x y z, high x y z in m).

        Raises:
            SimulationError: naming the missing element.
        """
        chain = SerialChain.of(model, site)
        joints = [int(model.joint(name).qposadr[0]) for name in chain.names]
        home = _keyframe(model, "home")[joints]
        workspace = numeric(model, "workspace", 6)
        return cls(
            chain=chain,
            home=home,
            orientation=chain.forward(home[None])[1][0],
            velocity_limits=numeric(model, "joint_velocity_limits", len(joints)),
            low=workspace[:3],
            high=workspace[3:],
        )

    @property
    def joints(self) -> tuple[str, ...]:
        return self.chain.names

    @property
    def bounds(self) -> tuple[Floats, Floats, Floats]:
        """Low and high joint limits in rad, and velocity limits in rad/s, (J,) each."""
        return self.chain.low, self.chain.high, self.velocity_limits

    @property
    def coupled(self) -> int:
        """All joints slow down together: near a stretched arm, one alone would throw the tool by 17 cm."""
        return len(self.joints)

    def target(self, tcp: Floats, action: Floats) -> Floats:
        """The tool point `tcp` (..., 3) displaced by `action` (..., 3), clipped to the workspace, in m."""
        return np.clip(tcp + action, self.low, self.high)

    def command(self, q: Floats, action: Floats, rotation: Floats | None = None) -> Floats:
        """Joint positions (..., J) in rad that execute `action` (..., 3) in m from posture `q` (..., J).

        `rotation` (..., 3, 3) turns the tool from its orientation in `q`, base frame; None is for
        `orientation`.
        """
        kinematics = self.chain.jacobian(q)
        orientation = self.orientation if rotation is None else rotation @ kinematics[1]
        return self._solve(q, kinematics, self.target(kinematics[0], action), orientation, self.iterations)

    def position(self, q: Floats) -> Floats:
        """Position of the tool point, (..., 3) in m, base frame, in posture `q` (..., J)."""
        return self.chain.forward(q)[0]

    def interpolate(self, start: Floats, end: Floats, substeps: int) -> Floats:
        """Joint targets (..., substeps, J) of a control period from `start` (..., J) to `end` (..., J)."""
        return ramp(start, end, substeps)

    def with_iterations(self, iterations: int) -> "EndEffectorDelta":
        """A copy with this number of inverse-kinematics iterations per action."""
        return replace(self, iterations=iterations)

    def at_rest(self, tcp: Floats) -> Floats:
        """Joint positions (J,) near the home posture whose tool point is at `tcp`, (3,) in m.

        Raises:
            SimulationError: if the arm cannot get there in the tool's orientation.
        """
        q = self.solve(self.home, tcp, CONVERGED)
        if np.linalg.norm(self.position(q) - tcp) > REFINED_M:
            q = self._solve(q, self.chain.jacobian(q), tcp, self.orientation, REFINING, posture_gain=0.0)
        left_m = float(np.linalg.norm(self.position(q) - tcp))
        if not left_m <= AT_REST_M:
            raise SimulationError(
                f"the tool point cannot be placed at {np.round(tcp, 3).tolist()} m: inverse kinematics ends "
                f"{100 * left_m:.1f} cm off, with the tool as it is in the home posture; place it closer to "
                f"{np.round(self.position(self.home), 3).tolist()}, where it is there"
            )
        return q

    def solve(self, q: Floats, tcp: Floats, iterations: int = ITERATIONS) -> Floats:
        """Joint positions (..., J) near `q` whose tool point is at `tcp` (..., 3), within the joint limits.

        Damped least squares with a null-space task towards the home posture.
        Source: Buss, Introduction to Inverse Kinematics (2004), sections 6 and 7.
        """
        return self._solve(q, self.chain.jacobian(q), tcp, self.orientation, iterations)

    def _solve(
        self,
        q: Floats,
        kinematics: tuple[Floats, Floats, Floats],
        tcp: Floats,
        orientation: Floats,
        iterations: int,
        posture_gain: float = POSTURE_GAIN,
    ) -> Floats:
        """`solve`, given the tool position, rotation and Jacobian at `q`."""
        for remaining in reversed(range(iterations)):
            position, rotation, jacobian = kinematics
            translation = tcp - position
            error = np.empty((*translation.shape[:-1], 6))
            error[..., :3] = translation
            error[..., 3:] = rotation_error(orientation, rotation)
            posture = posture_gain * (self.home - q)
            residual = error - (jacobian @ posture[..., None])[..., 0]
            dual = np.linalg.solve(jacobian @ jacobian.mT + _DAMPED, residual[..., None])
            q = q + posture + (jacobian.mT @ dual)[..., 0]
            q = np.minimum(np.maximum(q, self.chain.low), self.chain.high)  # np.clip takes 3 times as long
            if remaining:
                kinematics = self.chain.jacobian(q)
        return q


def load_model(file: Path) -> mujoco.MjModel:
    """The model of a robot's MJCF file.

    Raises:
        SimulationError: if MuJoCo cannot compile it.
    """
    try:
        return mujoco.MjModel.from_xml_path(str(file))
    except ValueError as error:
        raise SimulationError(f"{file}: MuJoCo cannot compile it ({error})") from None


def ramp(start: Floats, end: Floats, substeps: int) -> Floats:
    """Joint targets (..., substeps, J) from `start` to `end`, (..., J): linear over `RAMP`, then constant."""
    fraction = np.minimum(np.arange(1, substeps + 1) / (RAMP * substeps), 1.0)[:, None]
    return start[..., None, :] + fraction * (end - start)[..., None, :]


def numeric(model: mujoco.MjModel, name: str, size: int) -> NDArray[np.float64]:
    """The numbers (size,) of a `<numeric>` of a robot's MJCF.

    Raises:
        SimulationError: if it does not exist, or has another size.
    """
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
