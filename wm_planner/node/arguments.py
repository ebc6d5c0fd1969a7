"""The argument of a node program."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from wm_planner.config import Config, convert
from wm_planner.errors import ConfigError
from wm_planner.messaging.declarations import Declaration
from wm_planner.node.node import Mode
from wm_planner.node.scheduling import Scheduling


class Arguments(Config, frozen=True, kw_only=True):
    """The argument of a node program, as JSON.

    Attributes:
        name: of the node; if empty, the name of the program.
        domain: name of the domain.
        mode: lockstep or realtime.
        params: of the node's `Params`.
        namespace: put before the names of its topics.
        remap: name of a topic in the program to its name on the bus.
        topics: that the launch file declares.
        scheduling: of its process.
        epoch_ns: of the clocks of the run (`WallClock`); None for that of this process.
        supervisor: pid of the process that activates the node and that it must not outlive; with 0 it
            activates itself.
        heartbeat: descriptor of the memory of the `Heartbeat` of its process; -1 if no other reads it.
    """

    name: str = ""
    domain: str = "default"
    mode: Mode = "realtime"
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    namespace: str = ""
    remap: dict[str, str] = msgspec.field(default_factory=dict)
    topics: tuple[Declaration, ...] = ()
    scheduling: Scheduling = Scheduling()
    epoch_ns: int | None = None
    supervisor: int = 0
    heartbeat: int = -1


def arguments_of(argv: list[str]) -> Arguments:
    """The arguments of this process's node, from its command line without the program.

    Raises:
        ConfigError: if it is not one JSON object, or a key or value does not fit.
    """
    name = Path(sys.argv[0]).stem
    if len(argv) > 1:
        raise ConfigError(
            f"{name}: got {len(argv)} arguments, wanted one JSON object: '{{\"params\": {{}}}}'"
        )
    try:
        values = msgspec.json.decode(argv[0] if argv else "{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigError(f"{name}: the argument is not a JSON object ({error})") from None
    arguments = convert(values, Arguments, name)
    return msgspec.structs.replace(arguments, name=arguments.name or name)
