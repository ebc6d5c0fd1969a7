"""`python -m wm_planner.driving.generation FOLDER` writes the examples as CommonRoad XML."""

import sys
from pathlib import Path

from wm_planner.driving.generation import EXAMPLES
from wm_planner.driving.scenarios.writers.commonroad import write_commonroad

if len(sys.argv) != 2:
    sys.exit("usage: python -m wm_planner.driving.generation FOLDER")
for name, make in EXAMPLES.items():
    path = Path(sys.argv[1]) / f"{name}.xml"
    write_commonroad(make().scenario, path)
    print(path)
