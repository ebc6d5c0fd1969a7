"""What a soak changes in a launch file, and what it reads from it."""

from dataclasses import replace
from pathlib import Path

from wm_planner.bench.soak import link
from wm_planner.bench.soak.faults import LINK
from wm_planner.bridges.messages import camera_topic
from wm_planner.bridges.statements import CAMERA
from wm_planner.config import convert
from wm_planner.errors import ConfigError
from wm_planner.launching.file import LaunchSpec, NodeSpec
from wm_planner.launching.program_file import node_class
from wm_planner.node.scheduling import Scheduling

_PRIORITIES = {"controller": 50, LINK: 45, "simulator": 40}
_PUBLISHED = {
    "arm": {
        "simulator": ("/joint_states", "/tcp_pose"),
        "perception": ("/latent",),
        "planner": ("/plan",),
        "controller": ("/command", "/action"),
    },
    "car": {"simulator": ("/odom", "/objects"), "planner": ("/plan",), "controller": ("/drive",)},
}
"""Topics that pass through the link; what is latched is sent once, and has no delay that counts."""


def linked(spec: LaunchSpec) -> LaunchSpec:
    """A run whose messages of sensors, plans and commands pass through a `FaultyLink`."""
    names = {node.name for node in spec.nodes}
    published = dict(_PUBLISHED["arm" if "perception" in names else "car"])
    simulator = next(node for node in spec.nodes if node.name == "simulator")
    published["simulator"] += tuple(map(camera_topic, _cameras(simulator)))
    remaps = {name: {topic: link.direct(topic) for topic in topics} for name, topics in published.items()}
    nodes = tuple(replace(node, remap=remaps.get(node.name, {})) for node in spec.nodes)
    passing = [topic for topics in published.values() for topic in topics]
    passed = NodeSpec(LINK, Path(link.__file__), {"topics": passing}, respawn="never", ends_run=False)
    return replace(spec, nodes=(*nodes, passed))


def prioritised(spec: LaunchSpec) -> LaunchSpec:
    """A run whose controller, world and link run before everything else, where that is permitted.

    Without it a busy machine stops the world and the controller, too, and what is measured is the machine.
    """
    scheduled = {name: Scheduling(priority=priority) for name, priority in _PRIORITIES.items()}
    try:
        for scheduling in scheduled.values():
            scheduling.check()
    except ConfigError:
        return spec
    nodes = tuple(replace(node, scheduling=scheduled.get(node.name, node.scheduling)) for node in spec.nodes)
    return replace(spec, nodes=nodes)


def is_prioritised(spec: LaunchSpec) -> bool:
    """Whether the controller of a run runs before everything else."""
    return any(node.name == "controller" and node.scheduling.priority for node in spec.nodes)


def timing_of(spec: LaunchSpec) -> tuple[float, float]:
    """Control period in s and rate of the commands in Hz of a run."""
    node = next(node for node in spec.nodes if node.name == "controller")
    params = convert(node.params, node_class(node.program).Params, "controller: params")
    return float(params.control_dt_s), float(params.rate_hz)  # type: ignore[attr-defined]


def _cameras(simulator: NodeSpec) -> tuple[str, ...]:
    """The cameras that a simulator publishes."""
    node = node_class(simulator.program)
    facts = node.facts(convert(simulator.params, node.Params, "simulator: params"))
    return tuple(facts.offers.get(CAMERA, {}))
