"""The simulator node: hosts a scene, plays its episodes, publishes what sensors see, obeys commands.

In lockstep the simulator waits for the command stamped with the current tick; a tick without an answer is
repeated, for nodes that rejoined. In realtime the world runs on by the wall clock, and a robot that does not
rest by itself brakes after two control periods without a command.
"""

import math
from collections import deque
from typing import Any

from wm_planner.bridges.messages import goal_message
from wm_planner.bridges.simulators import adapter_of, check, facts
from wm_planner.clock import nanoseconds, seconds
from wm_planner.config import Config, Delay, Positive, Seconds, Seed
from wm_planner.contracts.simulator import StepResult
from wm_planner.contracts.task import objective_of
from wm_planner.errors import ConfigError, SimulationError, describe
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Facts, Node, run
from wm_planner.node.refusals import UNFORESEEN
from wm_planner.simulation.selection import simulator_spec

SLICE_S = 0.02  # of simulated time between two looks at the clock, in realtime: at most this
LOST = 3  # repeats of a tick after which the episode has failed
SILENCE = 2  # control periods without a command after which the robot is stopped


class Simulator(Node):
    class Params(Config, frozen=True, kw_only=True):
        """What is simulated.

        Attributes:
            scene: path of the scene file, or of a traffic scenario: short for `simulator`.
            simulator: `{type: mujoco, scene: FILE, disturbance: {...}}`, `{type: traffic, scenario: FILE,
                vehicle: bmw_320i, agents: {type: idm}}`, `{type: gym, id: Pendulum-v1}`,
                `{type: path/file.py:Class}`.
            steps: control periods per episode, unless the environment ends it before.
            seed: of the first episode; the others count up.
            stall_s: wall time after which an unanswered tick is repeated, in lockstep.
            camera_delay_s: time until sensor messages go out, in realtime.
        """

        scene: str | None = None
        simulator: dict[str, Any] | None = None
        episodes: Positive = 10
        steps: Positive = 30
        seed: Seed = 0
        stall_s: Seconds = 3.0
        camera_delay_s: Delay = 0.0

        def spec(self) -> dict[str, Any]:
            """The simulator, whichever way it was given."""
            if (self.scene is None) == (self.simulator is None):
                raise ConfigError(
                    "simulator: params: wanted either `scene: FILE` or `simulator: {type: ...}`"
                )
            return simulator_spec(self.scene or self.simulator or {}, "simulator: params")

    changeable = ("steps", "camera_delay_s")
    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        check(params.spec(), "simulator: params.simulator")

    @classmethod
    def facts(cls, params: Params) -> Facts:
        return facts(params.spec(), "simulator: params.simulator")

    def configure(self) -> None:
        self.adapter = adapter_of(self.params.spec(), "simulator: params.simulator")
        self.sim = self.adapter.simulator
        self.has_reward = objective_of(self.sim).has_reward
        self.dt_ns = nanoseconds(self.sim.scene.control_dt_s)
        topics = ("/goal", "/episode", *self.adapter.topics)
        self.out = {topic: self.publisher(topic) for topic in topics}
        self.subscribe(self.adapter.command_topic, self.on_command)
        if self.mode == "lockstep":
            self.stall = self.timer(self.params.stall_s, self.repeat)
        else:
            # at least two: a node that fell behind by whole periods must be able to catch up
            self.slices_per_period = max(2, math.ceil(self.sim.scene.control_dt_s / SLICE_S))
            self.timer(self.sim.scene.control_dt_s / self.slices_per_period, self.on_slice)
        self.episode, self.stamp_ns = -1, 0
        self.message: m.Message = None
        self.delayed: deque[tuple[int, dict[str, m.Message]]] = deque()

    def activate(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start the next episode, or finish after the last."""
        self.episode += 1
        self.step = self.lost = self.slices = 0
        if self.episode == self.params.episodes:
            self.publish_episode("finished", reason="all episodes done")
            return self.finish(f"{self.episode} episodes done")
        self.observation = self.sim.reset(self.params.seed + self.episode)
        self.total_reward = 0.0 if self.has_reward else math.nan
        if self.mode == "realtime":
            self.stamp_ns = self.clock.now_ns()
        self.started_ns = self.commanded_ns = self.stamp_ns
        self.message = None
        self.delayed.clear()
        self.publish_episode("started")
        goal_id = self.params.seed + self.episode + 1  # 0 means no goal
        self.out["/goal"].publish(goal_message(goal_id, self.sim.goal, self.stamp_ns))
        for topic, message in self.adapter.latched_messages(self.stamp_ns).items():
            self.out[topic].publish(message)
        return self.publish_tick()

    def publish_tick(self) -> None:
        """Publish the tick: what the sensors see now, after their delay."""
        self.publish_episode("running")
        self.sensors = self.adapter.sensors(self.observation, self.stamp_ns)
        if self.mode == "lockstep":
            self.stall.restart()
            return self.send(self.sensors, self.clock.now_ns())
        self.delayed.append((self.clock.now_ns(), self.sensors))
        return self.send_due()

    def send_due(self) -> None:
        """Publish what has been held back long enough."""
        delay_ns = nanoseconds(self.params.camera_delay_s)
        while self.delayed and self.delayed[0][0] + delay_ns <= self.clock.now_ns():
            taken_ns, sensors = self.delayed.popleft()
            self.send(sensors, taken_ns)

    def send(self, sensors: dict[str, m.Message], taken_ns: int) -> None:
        for topic, message in sensors.items():
            self.out[topic].publish(message, taken_ns)

    def on_command(self, message: m.Message, envelope: Envelope) -> None:
        command = self.adapter.command_of(message)
        if self.mode == "realtime":
            if m.stamp_ns(message) >= self.started_ns:  # one of the episode before may still be on its way
                self.sim.command(command)
                self.message, self.commanded_ns = message, self.clock.now_ns()
        elif m.stamp_ns(message) == self.stamp_ns:  # a repeated tick may be answered twice
            result = self.sim.step(command)
            self.observation = result.observation
            self.stamp_ns += self.dt_ns
            self.end_step(result)

    def on_slice(self) -> None:
        """Catch up with the wall clock; if the world itself fails, the node ends."""
        try:
            self.catch_up()
        except UNFORESEEN as error:
            self.log.exception("the simulator failed")
            raise SimulationError(f"the simulator failed: {describe(error)}") from error

    def catch_up(self) -> None:
        """Catch up with the wall clock in slices, and take pictures when they are due."""
        self.send_due()
        self.obey()
        while self.started_ns + self.after_slices(self.slices + 1) <= self.clock.now_ns():
            slice_ns = self.after_slices(self.slices + 1) - self.after_slices(self.slices)
            advanced = self.sim.advance(seconds(slice_ns))
            self.slices += 1
            if self.slices % self.slices_per_period == 0:
                self.observation = self.sim.observe()
                self.stamp_ns = self.started_ns + self.after_slices(self.slices)
                return self.end_step(advanced if isinstance(advanced, StepResult) else None)
        return None

    def after_slices(self, slices: int) -> int:
        """Time in ns that a number of slices of the control period takes, exact at the ends of periods."""
        return slices * self.dt_ns // self.slices_per_period

    def obey(self) -> None:
        """Let the last command go on, or bring the robot to rest once none has come for SILENCE periods."""
        command = None
        if self.clock.now_ns() - self.commanded_ns > SILENCE * self.dt_ns:
            command = self.adapter.stop_command()
        elif self.message is not None and getattr(self.adapter, "restates", False):
            command = self.adapter.command_of(self.message)
        if command is not None:
            self.sim.command(command)

    def end_step(self, result: StepResult | None = None) -> None:
        """Publish the next tick, or end the episode."""
        self.step, self.lost = self.step + 1, 0
        self.total_reward += result.reward if result else 0.0
        if self.step < self.params.steps and not (result and result.is_over):
            return self.publish_tick()
        self.publish_episode("ended", reason=result.failure if result else "")
        return self.begin()

    def repeat(self) -> None:
        """No command came in time: publish the tick again, and in the end give the episode up."""
        self.lost += 1
        if self.lost < LOST:
            self.log.warning("no command for step %d of episode %d: repeated", self.step, self.episode + 1)
            return self.send(self.sensors, self.clock.now_ns())
        self.publish_episode(
            "ended", reason=f"step {self.step} was published {LOST} times and no command came"
        )
        self.stamp_ns += self.dt_ns
        return self.begin()

    def publish_episode(self, phase: str, reason: str = "") -> None:
        """Publish the state of the run on /episode, the only topic that carries the true goal."""
        episode = min(self.episode, self.params.episodes - 1)
        if phase == "ended" and not self.sim.reached:
            reason = reason or self.why_missed()
        message = m.Episode(
            header=m.header(self.stamp_ns),
            id=episode + 1,
            seed=self.params.seed + episode,
            phase=phase,
            step=self.step,
            distance=self.sim.distance,
            success=phase == "ended" and self.sim.reached and not reason,
            reason=reason,
            goal_position=self.sim.goal_position,
            total_reward=self.total_reward,
        )
        self.out["/episode"].publish(message)

    def why_missed(self) -> str:
        """Why the episode that ends now has not reached its goal; empty if it ran out of steps."""
        if hasattr(self.adapter, "why_missed"):
            return str(self.adapter.why_missed())
        is_early = self.step < self.params.steps and not self.has_reward
        return (
            f"the simulator ended the episode at step {self.step} of {self.params.steps}" if is_early else ""
        )

    def cleanup(self) -> None:
        if hasattr(self, "sim"):
            self.sim.close()


if __name__ == "__main__":
    run(Simulator)
