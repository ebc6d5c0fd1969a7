"""Simulators on the bus: what each publishes at the start of an episode and every tick, and what it obeys."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.statements import environment_facts
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.simulator import EnvironmentSpec, Simulator
from wm_planner.errors import placed
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts
from wm_planner.plugins import Registry
from wm_planner.simulation import SIMULATORS

SIMULATOR_ADAPTERS = Registry("simulator adapter", {"gym": "wm_planner.bridges.signals:SignalAdapter"})
"""By the names of SIMULATORS."""


class SimulatorAdapter(Protocol):
    """A simulator and its messages; made from the simulator.

    It may also have a method `why_missed()`, which says in words why the episode that ends now has not
    reached its goal; without one, a missed episode has run out of steps.

    A class method `facts(environment)` states what it publishes and obeys in an environment, as `node.facts`
    says; without one, only the rate and the cameras of the environment are compared with the other nodes.

    An attribute `restates`, if it is true, says that a message asks for another command in another state, as
    one for a speed does; in realtime the last one is then read again as the state changes.

    Attributes:
        simulator: what is hosted.
        topics: everything that it publishes.
        command_topic: what it obeys.
    """

    @property
    def simulator(self) -> Simulator: ...
    @property
    def topics(self) -> tuple[str, ...]: ...
    @property
    def command_topic(self) -> str: ...

    def latched_messages(self, stamp_ns: int) -> dict[str, m.Message]:
        """What is published once per episode, by topic."""
        ...

    def sensors(self, observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
        """What is published every tick, by topic."""
        ...

    def command_of(self, message: m.Message) -> NDArray[np.float64]:
        """The simulator's command in a message of `command_topic`."""
        ...

    def stop_command(self) -> NDArray[np.float64] | None:
        """The command that brings the robot to rest when no commands arrive; None if it rests by itself."""
        ...


def check(spec: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Refuse a simulator that could not be made, as far as can be told without making it.

    Args:
        spec: `{type: ..., ...}`.
        where: its place, for errors.

    Returns:
        Notes on what it hosts, such as what the reader of a scenario had to repair. They come from the class
        method `check(config)` that a simulator may have.

    Raises:
        ConfigError, PluginError: if the simulator is unknown or its settings do not fit.
        ScenarioError, SimulationError: if what it hosts cannot be read or simulated.
    """
    cls, config = SIMULATORS.configure(spec, where)
    with placed(where):
        notes: tuple[str, ...] = cls.check(config) if hasattr(cls, "check") else ()
    return notes


def facts(spec: Mapping[str, Any], where: str) -> Facts:
    """What a simulator states before a run: its rate, its cameras, and what its adapter adds.

    They come from the class method `environment(config)` that a simulator may have.

    Raises:
        ConfigError, PluginError: if the simulator is unknown, its settings do not fit, or it has no adapter.
        SimulationError: if what it hosts cannot be read.
    """
    cls, config = SIMULATORS.configure(spec, where)
    if not hasattr(cls, "environment"):
        return Facts()
    with placed(where):
        environment: EnvironmentSpec = cls.environment(config)
        adapter = _adapter_class(cls, spec)
    shared = environment_facts(environment)
    if not hasattr(adapter, "facts"):
        return shared
    added: Facts = adapter.facts(environment)
    return replace(shared, agrees={**shared.agrees, **added.agrees}, offers={**shared.offers, **added.offers})


def adapter_of(spec: Mapping[str, Any], where: str) -> SimulatorAdapter:
    """The simulator `{type: ..., ...}`, with its adapter: the registered one, or the class's `Adapter`.

    Raises:
        PluginError: if the simulator has no adapter.
        SimulationError: if it cannot run here.
        ScenarioError: if its scenario cannot be read.
    """
    simulator = SIMULATORS.build(spec, where)
    adapter: SimulatorAdapter = _adapter_class(simulator, spec)(simulator)
    return adapter


def _adapter_class(simulator: Any, spec: Mapping[str, Any]) -> Any:
    """The adapter of a simulator or of its class."""
    return getattr(simulator, "Adapter", None) or SIMULATOR_ADAPTERS.load(spec["type"])
