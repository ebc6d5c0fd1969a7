"""Proposals that pass static obstacles."""

import numpy as np
import pytest
from streets import parked, street

from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.planners.base import DRIVERS
from wm_planner.driving.planners.proposals import block_ahead, generate_proposals
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.driving.traffic.car_following import IDM

H = 40
CLEARANCE_M = 0.35


def simulated(*obstacles, **scene):
    return DrivingSimulator(
        street(fields={"obstacles": obstacles}, **scene), DrivingSimulator.Options(picture=None)
    )


def test_a_block_is_passed_at_its_edges_with_clearance():
    view = view_of(simulated(parked(30.0, -1.2), parked(37.0, -1.0)))
    block, half = block_ahead(view), view.vehicle.width_m / 2
    front = float(view.vehicle.at_centre(view.ego)[0]) + view.vehicle.length_m / 2
    assert block.gap == pytest.approx(30.0 - 2.25 - front, abs=1e-6)
    assert block.left == pytest.approx(-1.0 + 0.9 + half + CLEARANCE_M)
    assert block.right == pytest.approx(-1.2 - 0.9 - half - CLEARANCE_M)


@pytest.mark.parametrize("position", [(30.0, 5.0), (200.0, 0.0), (-20.0, 0.0)])
def test_obstacles_off_the_path_far_ahead_or_behind_do_not_block(position):
    assert block_ahead(view_of(simulated(parked(*position)))) is None


def test_one_proposal_passes_at_full_speed():
    view = view_of(simulated(parked(30.0, -1.2)))
    centres = view.vehicle.at_centre(generate_proposals(view, view.forecast(H), None, H, IDM()))
    past = centres[:, -1, 0] > 35.0
    on_the_left = np.abs(centres[:, :, 1] - block_ahead(view).left).min(axis=1) < 0.05
    assert (past & on_the_left).any()


def test_a_parked_car_is_passed_within_the_lane():
    simulator = simulated(parked(30.0, -1.2))
    driver = DRIVERS.build({"type": "cem"}, "here")
    for _ in range(45):
        simulator.follow(driver.plan(view_of(simulator)))
    assert not simulator.now.failed
    assert simulator.now.ego[0] > 35.0
    assert simulator.now.ego[SPEED] > 8.0


def test_agents_are_separated_from_static_obstacles():
    simulator = simulated(parked(30.0), agents=[(50.0, 0, 5.0)])
    forecast = view_of(simulator).forecast(H)
    assert forecast.kinds == ("car", "parkedVehicle")
    assert forecast.agents().kinds == ("car",)
    reach = np.full(H + 1, 40.0)
    assert forecast.within(np.zeros(2), reach).kinds == ("parkedVehicle",)
