"""The simulator node: hosts a scene, plays its episodes, publishes what sensors see, obeys commands.

In lockstep the world stands still until the command stamped with its tick arrives; a tick that is answered
by none is repeated, for nodes that rejoined. In realtime the world runs on by the wall clock.
"""

from collections import deque
from typing import Any

import msgspec

from wm_planner.bridges.messages import goal_message
from wm_planner.bridges.simulators import check, host_of
from wm_planner.clock import nanoseconds
from wm_planner.config import Config, Delay, Positive, Seconds, Seed
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run
from wm_planner.simulation.scene import Disturbance

SLICE_S = 0.02  # of simulated time between two looks at the clock, in realtime
LOST = 3  # repeats of a tick after which the episode has failed


class Simulator(Node):
    class Params(Config, frozen=True, kw_only=True):
        """What is simulated.

        Attributes:
            scene: path of the scene file, or of a traffic scenario.
            steps: control periods an episode.
            seed: of the first episode; the others count up.
            stall_s: wall time after which an unanswered tick is repeated, in lockstep.
            camera_delay_s: time until sensor messages go out, in realtime.
            disturbance: of a scene.
            driving: of a scenario: `{vehicle: bmw_320i, agents: {type: idm}}`, see DrivingSimulator.
        """

        scene: str
        episodes: Positive = 10
        steps: Positive = 30
        seed: Seed = 0
        stall_s: Seconds = 3.0
        camera_delay_s: Delay = 0.0
        disturbance: Disturbance = Disturbance()
        driving: dict[str, Any] = msgspec.field(default_factory=dict)

    params: Params

    @classmethod
    def check(cls, params: Params) -> None:
        check(params.scene, params.driving)

    def configure(self) -> None:
        self.host = host_of(self.params.scene, self.params.disturbance, self.params.driving)
        self.sim = self.host.simulator
        self.dt_ns = nanoseconds(self.sim.scene.control_dt_s)
        topics = ("/goal", "/episode", *self.host.topics)
        self.out = {topic: self.publisher(topic) for topic in topics}
        self.subscribe(self.host.command_topic, self.on_command)
        if self.mode == "lockstep":
            self.stall = self.timer(self.params.stall_s, self.repeat)
        else:
            self.timer(SLICE_S, self.run_on)
        self.episode, self.stamp_ns = -1, 0
        self.delayed: deque[tuple[int, dict[str, m.Message]]] = deque()

    def activate(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start the next episode, or finish after the last."""
        self.episode += 1
        self.step = self.lost = self.slices = 0
        if self.episode == self.params.episodes:
            self.tell("finished", reason="all episodes done")
            return self.finish(f"{self.episode} episodes done")
        self.observation = self.sim.reset(self.params.seed + self.episode)
        if self.mode == "realtime":
            self.stamp_ns = self.clock.now_ns()
        self.started_ns = self.stamp_ns
        self.delayed.clear()
        self.tell("started")
        goal_id = self.params.seed + self.episode + 1  # 0 is none
        self.out["/goal"].publish(goal_message(goal_id, self.sim.goal, self.stamp_ns))
        for topic, message in self.host.opening(self.stamp_ns).items():
            self.out[topic].publish(message)
        return self.show()

    def show(self) -> None:
        """Publish the tick: what the sensors see now, after their delay."""
        self.tell("running")
        self.sensors = self.host.sensors(self.observation, self.stamp_ns)
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
        command = self.host.command_of(message)
        if self.mode == "realtime":
            if m.stamp_ns(message) >= self.started_ns:  # one of the episode before may still be on its way
                self.sim.command(command)
        elif m.stamp_ns(message) == self.stamp_ns:  # a repeated tick may be answered twice
            self.observation = self.sim.step(command).observation
            self.stamp_ns += self.dt_ns
            self.end_step()

    def run_on(self) -> None:
        """Catch up with the wall clock in slices, and take pictures when they are due."""
        self.send_due()
        slice_ns = nanoseconds(SLICE_S)
        while self.started_ns + (self.slices + 1) * slice_ns <= self.clock.now_ns():
            self.sim.advance(SLICE_S)
            self.slices += 1
            if self.slices % (self.dt_ns // slice_ns) == 0:
                self.observation = self.sim.observe()
                self.stamp_ns = self.started_ns + self.slices * slice_ns
                return self.end_step()
        return None

    def end_step(self) -> None:
        """Show the next tick, or end the episode."""
        self.step, self.lost = self.step + 1, 0
        if self.step < self.params.steps:
            return self.show()
        self.tell("ended")
        return self.begin()

    def repeat(self) -> None:
        """No command came in time: show the tick again, and give the episode up in the end."""
        self.lost += 1
        if self.lost < LOST:
            self.log.warning("no command for step %d of episode %d: repeated", self.step, self.episode + 1)
            return self.send(self.sensors, self.clock.now_ns())
        self.tell("ended", reason=f"step {self.step} was shown {LOST} times and no command came")
        self.stamp_ns += self.dt_ns
        return self.begin()

    def tell(self, phase: str, reason: str = "") -> None:
        """Say on /episode where the run stands; what is true of the goal is said nowhere else."""
        episode = min(self.episode, self.params.episodes - 1)
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
        )
        self.out["/episode"].publish(message)

    def cleanup(self) -> None:
        if hasattr(self, "sim"):
            self.sim.close()


if __name__ == "__main__":
    run(Simulator)
