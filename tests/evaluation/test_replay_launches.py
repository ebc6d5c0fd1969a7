"""Every shipped launch file: its recording replays equal, and another seed is found."""

import pytest
from toys import new_domain_name

from wm_planner.evaluation.replay.check import check
from wm_planner.launching import file
from wm_planner.launching.about import launch_files
from wm_planner.launching.arguments import arguments
from wm_planner.launching.run import RECORDING, prepare
from wm_planner.launching.supervisor import Supervisor

BRIEF = {"episodes": 2, "steps": 10, "clock": "lockstep"}
"""Arguments of a short run, where a file has them."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(launch_files()))
def test_a_recording_of_a_shipped_launch_replays_equal_through_its_nodes(name, tmp_path):
    path = file.find(name)
    has = arguments(path)
    spec = file.load(path, "replayed", [f"{key}={value}" for key, value in BRIEF.items() if key in has])
    for node in spec.nodes:
        if node.program.stem == "recorder":
            node.params["path"] = str(tmp_path / "run" / RECORDING)
    folder = prepare(tmp_path / "run", spec)
    Supervisor(spec, folder, new_domain_name()).run()
    names = {node.name for node in spec.nodes} & {"perception", "planner", "controller"}
    for node in sorted(names):
        result = check(folder, node)
        assert result.mismatch is None and sum(result.equal.values()) > 0
    seeded = check(folder, "planner", settings=(("seed", 12345),)).mismatch
    assert seeded is not None and seeded.number == 1
