"""Drive several scenarios with several drivers, and print their scores side by side.

The command line does the same: wm eval driving sim/drive_*.xml --planner idm --planner constant_velocity

    python examples/compare_drivers.py
"""

from wm_planner.driving.evaluation import scenario_runs, tables
from wm_planner.share import find
from wm_planner.terminal import console

SCENARIOS = ("sim/drive_slow_car.xml", "sim/drive_cruise.xml")


def main() -> None:
    planners, _ = scenario_runs.resolve_planners(["constant_velocity", "idm", "idm,idm.headway=0.8"])
    settings = scenario_runs.RunSettings(planners=planners, agents=("idm",), max_duration_s=5.0)
    done = scenario_runs.run_scenarios([find(file) for file in SCENARIOS], settings, workers=1)
    scores = [score for each in done for score in each.scores]
    console.print(tables.drives_table(scores))
    console.print(tables.outcomes_table(scores))


if __name__ == "__main__":
    main()
