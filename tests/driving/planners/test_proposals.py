"""Ways past what stands."""

import numpy as np
import pytest
from streets import parked, street

from wm_planner.driving.geometry.state_columns import SPEED
from wm_planner.driving.planners.base import DRIVERS
from wm_planner.driving.planners.proposals import block_ahead, proposals
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.driving.traffic.car_following import IDM

H = 40
ROOM = 0.35


def simulated(*obstacles, **how):
    return DrivingSimulator(
        street(about={"obstacles": obstacles}, **how), DrivingSimulator.Options(picture=None)
    )


def test_what_stands_in_the_way_is_passed_by_its_edges():
    view = view_of(simulated(parked(30.0, -1.2), parked(37.0, -1.0)))
    block, half = block_ahead(view), view.vehicle.width_m / 2
    front = float(view.vehicle.at_centre(view.ego)[0]) + view.vehicle.length_m / 2
    assert block.gap == pytest.approx(30.0 - 2.25 - front, abs=1e-6)
    assert block.left == pytest.approx(-1.0 + 0.9 + half + ROOM)
    assert block.right == pytest.approx(-1.2 - 0.9 - half - ROOM)


@pytest.mark.parametrize("place", [(30.0, 5.0), (200.0, 0.0), (-20.0, 0.0)])
def test_what_is_beside_the_way_far_off_or_behind_blocks_nothing(place):
    assert block_ahead(view_of(simulated(parked(*place)))) is None


def test_one_proposal_goes_past_at_full_speed():
    view = view_of(simulated(parked(30.0, -1.2)))
    found = view.vehicle.at_centre(proposals(view, view.forecast(H), None, H, IDM()))
    past = found[:, -1, 0] > 35.0
    beside = np.abs(found[:, :, 1] - block_ahead(view).left).min(axis=1) < 0.05
    assert (past & beside).any()


def test_a_parked_car_is_passed_within_the_lane():
    simulator = simulated(parked(30.0, -1.2))
    driver = DRIVERS.build({"type": "cem"}, "here")
    for _ in range(45):
        simulator.follow(driver.plan(view_of(simulator)))
    assert not simulator.now.failed
    assert simulator.now.ego[0] > 35.0
    assert simulator.now.ego[SPEED] > 8.0


def test_agents_and_obstacles_are_told_apart():
    simulator = simulated(parked(30.0), agents=[(50.0, 0, 5.0)])
    everybody = view_of(simulator).forecast(H)
    assert everybody.kinds == ("car", "parkedVehicle")
    assert everybody.agents().kinds == ("car",)
    reach = np.full(H + 1, 40.0)
    assert everybody.within(np.zeros(2), reach).kinds == ("parkedVehicle",)
