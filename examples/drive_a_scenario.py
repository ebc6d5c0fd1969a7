"""Drive a traffic scenario with the sampling driver `cem`, and draw how the drive ended.

python examples/drive_a_scenario.py
"""

from pathlib import Path

from wm_planner.driving.evaluation.closed_loop import run_drive
from wm_planner.driving.evaluation.drive_scores import scores_of
from wm_planner.driving.evaluation.rendering import DrivePanels, write_image
from wm_planner.driving.planners.base import build_driver
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.share import find

SCENARIO = "sim/drive_cut_in.xml"  # or any CommonRoad, Argoverse 2 or ScenarioNet file
PICTURE = Path("runs/drive_cut_in.png")


def main() -> None:
    scenario = read_scenario(find(SCENARIO))
    print(f"{scenario.id}: {len(scenario.road.lanes)} lanes, steps of {scenario.dt} s")
    config = DrivingSimulator.Options(vehicle="bmw_320i", agents={"type": "idm"}, picture=None)
    simulator = DrivingSimulator(scenario, config)  # other cars react by the intelligent driver model

    driven = run_drive(simulator, lambda: build_driver({"type": "cem"}, where="driver"), max_duration_s=4.0)
    scores = scores_of(driven, SCENARIO, 0, "cem", "idm")
    speeds = driven.history.ego[:, 3]  # m/s
    print(f"drove {len(driven.plans)} steps, from {speeds[0]:.1f} to {speeds[-1]:.1f} m/s")
    print(f"collided: {driven.collided}, left the road: {driven.off_road}")
    print(f"nuPlan's closed-loop score: {100 * scores.nuplan['score']:.0f} of 100")
    print(f"{1000 * sum(driven.cpu_s) / len(driven.cpu_s):.0f} ms of CPU per plan")

    PICTURE.parent.mkdir(exist_ok=True)
    write_image([DrivePanels(driven, scores)], 1, PICTURE)
    print(f"drawn to {PICTURE}")


if __name__ == "__main__":
    main()
