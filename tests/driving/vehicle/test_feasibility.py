import numpy as np
import pytest

from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.vehicle.feasibility import POSITION_M, is_feasible, reconstruct_commands
from wm_planner.driving.vehicle.vehicle import (
    BMW_320I,
    FORD_ESCORT,
    STEERING,
    VW_VANAGON,
)
from wm_planner.errors import ShapeError

DT = 0.1


def driven(vehicle, count=20, steps=15, seed=0):
    """Trajectories that the vehicle drove within its friction circle, and their commands."""
    rng = np.random.default_rng(seed)
    start = np.zeros((count, 6))
    start[:, :3] = rng.uniform(-3, 3, (count, 3))
    start[:, SPEED] = rng.uniform(5, 12, count)
    commands = np.stack(
        [rng.uniform(-3, 3, (count, steps)), rng.uniform(-0.05, 0.05, (count, steps))], axis=-1
    )
    return np.concatenate([start[:, None], vehicle.rollout(start, commands, DT)], axis=1), commands


@pytest.mark.parametrize("vehicle", [FORD_ESCORT, BMW_320I, VW_VANAGON])
def test_driven_trajectories_are_feasible_and_their_commands_reconstructed(vehicle):
    states, commands = driven(vehicle)
    found = reconstruct_commands(vehicle, states, DT)
    assert found.reached.all() and is_feasible(vehicle, states, DT).all()
    np.testing.assert_allclose(found.commands, commands, atol=1e-3)


def test_headings_may_wrap():
    states, _ = driven(BMW_320I)
    states[..., YAW] = np.mod(states[..., YAW], 2 * np.pi)
    assert is_feasible(BMW_320I, states, DT).all()


def test_a_lateral_jump_is_infeasible():
    states, _ = driven(BMW_320I, count=1)
    offset = POSITION_M + 0.005
    states[0, 8:, 0] -= offset * np.sin(states[0, 8:, YAW])
    states[0, 8:, 1] += offset * np.cos(states[0, 8:, YAW])
    states[0, :, :2] -= states[0, 7, :2]
    turn = -states[0, 7, YAW]  # so that the offset is along y
    x, y = states[0, :, 0].copy(), states[0, :, 1].copy()
    states[0, :, 0], states[0, :, 1] = (
        x * np.cos(turn) - y * np.sin(turn),
        x * np.sin(turn) + y * np.cos(turn),
    )
    states[0, :, YAW] += turn
    reached = reconstruct_commands(BMW_320I, states, DT).reached[0]
    assert np.flatnonzero(~reached).tolist() == [7]


def test_too_hard_braking_is_infeasible():
    """The limit is 11.5 m/s^2; the tolerance of 2 cm permits 4 m/s^2 more within a step."""
    start = np.array([0, 0, 0, 30.0, 0, 0])
    for braking, feasible in ((11.0, True), (17.0, False)):
        time = DT * np.arange(6)
        states = np.tile(start, (6, 1))
        states[:, SPEED] -= braking * time
        states[:, 0] += 30 * time - braking * time**2 / 2
        assert is_feasible(BMW_320I, states, DT) == feasible


def test_the_friction_circle_holds():
    """At 15 m/s, a steering angle of 0.15 rad causes 13 m/s^2 of lateral acceleration, beyond the limit."""
    for steering, feasible in ((0.10, True), (0.15, False)):
        start = np.array([0, 0, 0, 15.0, 0, steering])
        states = np.concatenate([start[None], BMW_320I.rollout(start, np.zeros((5, 2)), DT)])
        assert is_feasible(BMW_320I, states, DT) == feasible


def test_steering_cannot_jump():
    states, _ = driven(BMW_320I, count=1, steps=4)
    states[0, 1:, STEERING] = 0
    start = np.array([*states[0, 1, :5], 0.3])
    states[0, 2:] = BMW_320I.rollout(start, np.zeros((3, 2)), DT)
    assert not reconstruct_commands(BMW_320I, states, DT).reached[0, 1]


def test_a_single_state_is_refused():
    with pytest.raises(ShapeError, match="two or more steps"):
        is_feasible(BMW_320I, np.zeros((1, 6)), DT)
