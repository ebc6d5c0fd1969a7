"""Planning from latents: a perception node encodes pictures, a search runs over what the model imagines."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import cast

import numpy as np

from wm_planner import config
from wm_planner.bridges.executed_actions import ActionJoin
from wm_planner.bridges.messages import path_message
from wm_planner.bridges.planning import (
    TORCH,
    PlanningConfig,
    SearchAdapter,
    Tick,
    TorchDevice,
    search_parts,
)
from wm_planner.bridges.statements import ACTION, LATENT, PERIOD, action_statements, components, latent_of
from wm_planner.clock import Deadline
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Latent
from wm_planner.errors import ConfigError, InputError, missing_package
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Facts, Node
from wm_planner.planners.goals import Goal, GoalSequence
from wm_planner.planners.mpc import Decision, RecedingHorizon
from wm_planner.share import find
from wm_planner.world_models.onnx.card_file import read_card
from wm_planner.world_models.onnx.execution import CPU, Device, providers
from wm_planner.world_models.onnx.model import OnnxWorldModel

_POSITION = "tcp_position"


class LatentAdapter(SearchAdapter):
    """From /latent and /goal_latent to plans; of the goal it knows the latent of its picture and no more."""

    class Config(config.Config, frozen=True, kw_only=True):
        """How the search runs.

        Attributes:
            one_graph: make each plan one call of a graph, which has less overhead; a deadline cannot cut it.
            goals: when to go on to the next of several goals, `{reached: 0.1}`; by default after the steps
                that each comes with.
        """

        one_graph: bool = False
        goals: GoalSequence.Config = GoalSequence.Config()

    model: OnnxWorldModel

    @classmethod
    def check(cls, config: Config, planning: PlanningConfig) -> None:
        if not planning.world_model:
            raise ConfigError(
                "planner: params.world_model is missing: planning from latents needs the path of a bundle"
            )
        card, (mpc, planner, costs) = read_card(find(planning.world_model)), search_parts(planning)
        RecedingHorizon.check(mpc, planner, card, costs)
        if config.one_graph and (count := mpc.futures.draws(card)) > 1:
            raise ConfigError(
                f"planner: params.adapter: one_graph imagines one future, and {count} are to be imagined: "
                "leave it out, or set `mpc: {futures: {count: 1}}`"
            )
        if str(planning.device).startswith(TORCH):
            _check_torch(config, str(planning.device))
        if (config.goals.patience, config.goals.max_ticks) != (None, None):
            raise ConfigError(
                "planner: params.adapter: goals has `patience` or `max_ticks`, which stop no node: leave "
                "them out, and bound the goals by their `steps`"
            )

    @classmethod
    def facts(cls, config: Config, planning: PlanningConfig) -> Facts:
        card = read_card(find(planning.world_model))
        stated = {ACTION: components(card.action.names, card.action.units), LATENT: latent_of(card)}
        return Facts(agrees={PERIOD: card.control_dt_s} | stated | action_statements(card.action))

    def __init__(self, config: Config, planning: PlanningConfig) -> None:
        device: Device | TorchDevice = planning.device or "auto"
        threads = planning.threads or 1
        model = _loaded(planning.world_model, device, threads)
        mpc, planner, costs = search_parts(planning)
        if config.one_graph:
            from wm_planner.portable.planner import GraphPlanner

            on = cast(Device, device)  # not of torch, says `check`
            planner = GraphPlanner(planning.world_model, model, planner, costs, on, threads)
        horizon = RecedingHorizon(mpc, planner, model, costs, seed=planning.seed)
        super().__init__(model, horizon, planning.seed)
        self._goals, self._goal_id = config.goals, 0
        self._goal: Latent | None = None

    @property
    def has_path(self) -> bool:
        return f"state:{_POSITION}" in self.model.card.offers

    def warm_up(self) -> float:
        latent = {s.name: np.zeros((1, *s.shape), s.dtype) for s in self.model.card.latents}
        plan = self.mpc.tick(latent, Context(goal_latent=latent), tick_index=0).plan
        self.mpc.reset(episode_id=0)
        return plan.elapsed_s

    def listen(self, node: Node, on_tick: Callable[[Tick], None]) -> None:
        ticks: ActionJoin[Tick] = ActionJoin(
            node, self.action, lambda tick, action: on_tick(replace(tick, last_action=action))
        )
        episode = 0, 0

        def on_latent(message: m.Message, envelope: Envelope) -> None:
            nonlocal episode
            if message.goal_id != self._goal_id:
                return  # its goal's latent is still on the way
            if (message.goal_id, message.episode_id) != episode:
                episode = message.goal_id, message.episode_id
                ticks.reset()
            stamp_ns, inputs = m.stamp_ns(message), m.named_arrays_of(message.arrays)
            tick = Tick(stamp_ns, envelope.origin_ns, message.goal_id, inputs, episode_id=message.episode_id)
            ticks.offer(stamp_ns, tick)

        node.subscribe("/goal_latent", self._on_goal)
        node.subscribe("/latent", on_latent, rate_hz=1 / self.control_dt_s)

    def _on_goal(self, message: m.Message, envelope: Envelope) -> None:
        """Plan for a goal, or for several in order.

        Raises:
            InputError: for sub-goals that could never end, or whose steps are another number.
        """
        arrays = m.named_arrays_of(message.arrays)
        sequence = sub_goals(arrays, message.steps) if len(message.steps) else ()
        self.pursuit = GoalSequence(self._goals, self.mpc, sequence) if sequence else self.mpc
        self._goal, self._goal_id = arrays or None, message.goal_id

    def decide(self, tick: Tick, deadline: Deadline | None, delay_s: float | None) -> Decision:
        step = self.step_of(tick)
        context = Context(goal_latent=self._goal, last_action=tick.last_action)
        return self.pursuit.tick(tick.inputs, context, step, deadline, delay_s)

    def path(self, decision: Decision, tick: Tick) -> m.Message:
        """Imagined positions of the tool point."""
        imagined = self.model.rollout(tick.inputs, decision.actions[None]).states[_POSITION][0]
        return path_message(imagined, tick.stamp_ns)


def _loaded(bundle: str, device: Device | TorchDevice, threads: int) -> OnnxWorldModel:
    """The bundle; on a GPU, and in torch, one whose candidates stay on the device."""
    if device == "torch:cpu" or device == "torch:cuda":
        from wm_planner.training.device_model import DeviceModel

        return DeviceModel.load(bundle, device.removeprefix(TORCH), threads)
    if providers(device)[0] == CPU:
        return OnnxWorldModel.load(bundle, device, threads)
    from wm_planner.portable.scoring_model import ScoringModel

    return ScoringModel.load(bundle, device, threads)


def _check_torch(config: LatentAdapter.Config, device: str) -> None:
    """Refuse a device of torch where torch is missing, or where a plan is one graph of ONNX Runtime."""
    if find_spec("torch") is None:
        missing = missing_package(ModuleNotFoundError(name="torch"), f"device {device}")
        raise ConfigError(f"planner: params.device: {missing}, or set `device: auto`")
    if config.one_graph:
        raise ConfigError(
            f"planner: params.adapter: one_graph is a graph of ONNX Runtime, and the device is {device}: "
            "leave one of them out"
        )


def sub_goals(arrays: Latent, steps: Sequence[int]) -> tuple[Goal, ...]:
    """The goals, in order, of a /goal_latent whose arrays are (K, ...).

    Raises:
        InputError: if the steps are not K, or a goal before the last has none.
    """
    rows = {name: len(array) for name, array in arrays.items()}
    if set(rows.values()) != {len(steps)} or not all(steps[:-1]):
        raise InputError(
            f"/goal_latent has the steps {[int(each) for each in steps]} for rows {rows}: wanted one row and "
            "one number of steps per goal, and 0 steps (no limit) only for the last"
        )
    return tuple(
        Goal({name: array[at : at + 1] for name, array in arrays.items()}, steps=int(count) or None)
        for at, count in enumerate(steps)
    )
