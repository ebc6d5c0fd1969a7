"""What nodes state about a run before it starts, so that those which do not fit are found early."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wm_planner.errors import ConfigError


@dataclass(frozen=True)
class Facts:
    """Statements of one node, by what they are about. Values are compared, and shown in errors.

    Attributes:
        agrees: has the same value in every node that states it, e.g. "control period in s": 0.2.
        offers: what the node publishes, kind to name to value, e.g. "camera": {"front": "64x64 pixels"}.
        needs: what it reads, in the same form; None for any value.
    """

    agrees: Mapping[str, object] = field(default_factory=dict)
    offers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    needs: Mapping[str, Mapping[str, object | None]] = field(default_factory=dict)


def check_fit(nodes: Sequence[tuple[str, Facts]], where: str) -> None:
    """Check that the nodes of a run agree, and that what they need is offered.

    A kind that no node offers is taken to come from outside, e.g. from the robot's camera driver.

    Args:
        nodes: the place of each node in the launch file, and its facts.
        where: path of the launch file.

    Raises:
        ConfigError: naming two nodes and both values.
    """
    stated: dict[str, tuple[str, object]] = {}
    for place, facts in nodes:
        for about, value in facts.agrees.items():
            other, wanted = stated.setdefault(about, (place, value))
            if value != wanted:
                raise ConfigError(
                    f"{where}: {about} is {value} in {place}, but {wanted} in {other}: they do not fit "
                    "together; choose a bundle, a scene and a robot that belong together"
                )
    for place, facts in nodes:
        for kind, needs in facts.needs.items():
            offers = {name: value for _, each in nodes for name, value in each.offers.get(kind, {}).items()}
            for name, value in needs.items():
                if offers and (name not in offers or value not in (None, offers[name])):
                    listed = ", ".join(f"{each} ({of})" for each, of in offers.items())
                    raise ConfigError(
                        f"{where}: {place} needs the {kind} {name}{f' ({value})' if value else ''}, the run "
                        f"offers {listed}; choose a bundle and a scene that belong together"
                    )
