"""Planning over the true physics of a scene: an oracle without perception, which shows what costs can do."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from wm_planner import config
from wm_planner.bridges.executed_actions import ActionJoin
from wm_planner.bridges.messages import observation_of, path_message, state_topic
from wm_planner.bridges.planning import PlanningConfig, SearchAdapter, Tick, search_parts
from wm_planner.bridges.statements import ACTION, PERIOD, STATE, action_statements, components
from wm_planner.clock import Deadline
from wm_planner.contracts.context import Context
from wm_planner.contracts.observation import Observation
from wm_planner.errors import ConfigError
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Facts, Node
from wm_planner.planners.mpc import Decision, RecedingHorizon
from wm_planner.simulation.scene import load_scene
from wm_planner.world_models.physics.model import PhysicsModel
from wm_planner.world_models.physics.plant import TRUTH


class PhysicsAdapter(SearchAdapter):
    """From the simulator's truth and the goal's true position to plans.

    It needs the simulator `{type: mujoco_truth, scene: FILE}`, and no perception node. Costs of a state
    `<point>_position` find the goal's position, which is read from /episode.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """What is imagined.

        Attributes:
            scene: path of the scene file, that of the simulator.
            physics: how the physics of planning differ from the scene's, and threads.
        """

        scene: str
        physics: PhysicsModel.Config = PhysicsModel.Config()

    has_path = True
    model: PhysicsModel

    @classmethod
    def check(cls, config: Config, planning: PlanningConfig) -> None:
        given = {"world_model": planning.world_model, "device": planning.device, "threads": planning.threads}
        for name, value in given.items():
            if value:
                raise ConfigError(
                    f"planner: params.{name} is {value}, but planning over physics takes no bundle: leave it "
                    "out, or the adapter `{type: physics}`; threads are a setting of its `physics`"
                )
        _horizon(PhysicsModel(config.physics, load_scene(config.scene)), planning)

    @classmethod
    def facts(cls, config: Config, planning: PlanningConfig) -> Facts:
        scene = load_scene(config.scene)
        action = scene.action
        stated = {PERIOD: scene.control_dt_s, ACTION: components(action.names, action.units)}
        return Facts(stated | action_statements(action), needs={STATE: dict.fromkeys(TRUTH)})

    def __init__(self, config: Config, planning: PlanningConfig) -> None:
        scene = load_scene(config.scene)
        model = PhysicsModel(config.physics, scene)
        super().__init__(model, _horizon(model, planning), planning.seed)
        self._point = f"{scene.point}_position"
        self._goal: np.ndarray | None = None
        self._goal_id = 0

    def warm_up(self) -> float:
        latent = self.model.encode(Observation({}, self.model.initial()))
        plan = self.mpc.tick(latent, Context(goal={self._point: np.zeros(3)}), tick_index=0).plan
        self.mpc.reset(episode_id=0)
        return plan.elapsed_s

    def listen(self, node: Node, on_tick: Callable[[Tick], None]) -> None:
        ticks: ActionJoin[Tick] = ActionJoin(
            node, self.action, lambda tick, action: on_tick(replace(tick, last_action=action))
        )

        def on_episode(message: m.Message, envelope: Envelope) -> None:
            if message.seed + 1 != self._goal_id:
                ticks.reset()
            self._goal, self._goal_id = np.asarray(message.goal_position), message.seed + 1

        def on_truth(sensors: Mapping[str, m.Message], envelope: Envelope) -> None:
            if self._goal is not None:
                seen = observation_of(sensors, (), TRUTH)
                ticks.offer(seen.stamp_ns, Tick(seen.stamp_ns, envelope.origin_ns, self._goal_id, seen))

        node.subscribe("/episode", on_episode)
        node.join([state_topic(name) for name in TRUTH], on_truth, rate_hz=1 / self.control_dt_s)

    def decide(self, tick: Tick, deadline: Deadline | None, delay_s: float | None) -> Decision:
        step = self.step_of(tick)
        context = Context(goal={self._point: self._goal}, last_action=tick.last_action)
        return self.mpc.tick(self.model.encode(tick.inputs), context, step, deadline, delay_s)

    def path(self, decision: Decision, tick: Tick) -> m.Message:
        """Imagined positions of the scene's point."""
        imagined: Any = self.model.rollout(self.model.encode(tick.inputs), decision.actions[None])
        return path_message(imagined.states[self._point][0], tick.stamp_ns)


def _horizon(model: PhysicsModel, planning: PlanningConfig) -> RecedingHorizon:
    """The search over a model, which refuses what does not fit."""
    mpc, planner, costs = search_parts(planning)
    return RecedingHorizon(mpc, planner, model, costs, seed=planning.seed)
