"""The simulator node: hosts a scene, plays its episodes, publishes what sensors see, obeys commands.

In lockstep the world stands still until the command stamped with its tick arrives; a tick that is answered
by none is repeated, for nodes that rejoined. In realtime the world runs on by the wall clock.
"""

from collections import deque

import numpy as np

from wm_planner import messages as m
from wm_planner.clock import nanoseconds
from wm_planner.config import Config
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node, run
from wm_planner.simulation.base import Disturbance, load_scene
from wm_planner.simulation.mujoco import MujocoSimulator
from wm_planner.world_models.base import Observation

SLICE_S = 0.02  # of simulated time between two looks at the clock, in realtime
LOST = 3  # repeats of a tick after which the episode has failed
TOOL_DOWN = (1.0, 0.0, 0.0, 0.0)  # x y z w


class Simulator(Node):
    class Params(Config, frozen=True, kw_only=True):
        """What is simulated.

        Attributes:
            scene: path of the scene file.
            steps: control periods an episode.
            seed: of the first episode; the others count up.
            stall_s: wall time after which an unanswered tick is repeated, in lockstep.
            camera_delay_s: extra time until sensor messages go out, in realtime.
        """

        scene: str
        episodes: int = 10
        steps: int = 30
        seed: int = 0
        stall_s: float = 3.0
        camera_delay_s: float = 0.0
        disturbance: Disturbance = Disturbance()

    params: Params

    def configure(self) -> None:
        self.sim = MujocoSimulator(load_scene(self.params.scene), self.params.disturbance)
        self.dt_ns = nanoseconds(self.sim.scene.control_dt_s)
        topics = ["/clock", "/goal", "/joint_states", "/tcp_pose", "/episode"]
        cameras = [f"/camera/{name}/image_raw" for name in self.sim.scene.cameras]
        self.out = {topic: self.publisher(topic) for topic in (*topics, *cameras)}
        self.subscribe("/command", self.on_command)
        if self.mode == "lockstep":
            self.stall = self.timer(self.params.stall_s, self.repeat)
        else:
            self.timer(SLICE_S, self.run_on)
        self.episode, self.stamp_ns = -1, 0

    def activate(self) -> None:
        self.started_ns = self.clock.now_ns()
        self.begin()

    def begin(self) -> None:
        """Start the next episode, or finish after the last."""
        self.episode += 1
        if self.episode == self.params.episodes:
            self.tell("finished", reason="all episodes done")
            return self.finish(f"{self.episode} episodes done")
        self.step, self.lost, self.delayed = 0, 0, deque[tuple[int, Observation, int]]()
        self.observation = self.sim.reset(self.params.seed + self.episode)
        if self.mode == "realtime":
            self.started_ns, self.slices = self.clock.now_ns(), 0
            self.stamp_ns = self.started_ns
        self.tell("started")
        pictures = [m.image(p, self.stamp_ns, name) for name, p in self.sim.goal.images.items()]
        route = m.Path(header=m.header(self.stamp_ns), poses=[])
        goal = m.Goal(
            header=m.header(self.stamp_ns),
            id=self.episode + 1,
            cameras=list(self.sim.goal.images),
            pictures=pictures,
            pose=[],
            route=route,
        )
        self.out["/goal"].publish(goal)
        return self.show()

    def show(self) -> None:
        """Publish the tick: what the sensors see now."""
        self.tell("running")
        if self.mode == "lockstep":
            self.stall.restart()
            self.send(self.observation, self.stamp_ns)
        else:
            due_ns = self.clock.now_ns() + nanoseconds(self.params.camera_delay_s)
            self.delayed.append((due_ns, self.observation, self.stamp_ns))
            self.send_due()

    def send(self, observation: Observation, stamp_ns: int, taken_ns: int | None = None) -> None:
        self.out["/clock"].publish(m.Clock(clock=m.time(stamp_ns)), taken_ns)
        state = observation.state
        joints = m.joint_state(self.sim.joints, state["joint_positions"], stamp_ns, state["joint_velocities"])
        self.out["/joint_states"].publish(joints, taken_ns)
        pose = m.pose_stamped(state["tcp_position"], TOOL_DOWN, stamp_ns)
        self.out["/tcp_pose"].publish(pose, taken_ns)
        for name, picture in observation.images.items():
            self.out[f"/camera/{name}/image_raw"].publish(m.image(picture, stamp_ns, name), taken_ns)

    def send_due(self) -> None:
        """Publish what the cameras' delay has held back long enough."""
        while self.delayed and self.delayed[0][0] <= self.clock.now_ns():
            due_ns, observation, stamp_ns = self.delayed.popleft()
            self.send(observation, stamp_ns, due_ns - nanoseconds(self.params.camera_delay_s))

    def on_command(self, message: m.Message, envelope: Envelope) -> None:
        target = np.asarray(message.points[0].positions)
        if self.mode == "realtime":
            if m.stamp_ns(message) >= self.started_ns:  # one of the episode before may still be on its way
                self.sim.command(target)
        elif m.stamp_ns(message) == self.stamp_ns:  # an answer to a repeated tick comes twice
            self.observation = self.sim.step(target).observation
            self.stamp_ns += self.dt_ns
            self.next()

    def run_on(self) -> None:
        """Catch up with the wall clock, in slices, and take pictures when they are due."""
        self.send_due()
        per_step = round(self.dt_ns / nanoseconds(SLICE_S))
        while self.started_ns + (self.slices + 1) * nanoseconds(SLICE_S) <= self.clock.now_ns():
            self.sim.advance(SLICE_S)
            self.slices += 1
            if self.slices % per_step == 0:
                self.observation = self.sim.observe()
                self.stamp_ns = self.started_ns + self.slices * nanoseconds(SLICE_S)
                return self.next()
        return None

    def next(self) -> None:
        """One step is over: show the next tick or end the episode."""
        self.step, self.lost = self.step + 1, 0
        if self.step < self.params.steps:
            return self.show()
        self.tell("ended")
        return self.begin()

    def repeat(self) -> None:
        """No command came in time: show the tick again, and give the episode up in the end."""
        self.lost += 1
        if self.lost < LOST:
            self.log.warning("no command for tick %d of episode %d: repeated", self.step, self.episode)
            self.stall.restart()
            return self.send(self.observation, self.stamp_ns)
        self.tell("ended", reason=f"tick {self.step} was repeated {LOST} times and no command came")
        self.stamp_ns += self.dt_ns
        return self.begin()

    def tell(self, phase: str, reason: str = "") -> None:
        distance, scene = self.sim.distance, self.sim.scene
        reached = scene.success(self.sim.tcp_position, self.sim.goal_position)
        message = m.Episode(
            header=m.header(self.stamp_ns),
            id=min(self.episode, self.params.episodes - 1) + 1,
            seed=self.params.seed + min(self.episode, self.params.episodes - 1),
            phase=phase,
            step=self.step,
            distance=distance,
            success=phase == "ended" and reached and not reason,
            reason=reason,
            goal_position=self.sim.goal_position,
        )
        self.out["/episode"].publish(message)

    def cleanup(self) -> None:
        if hasattr(self, "sim"):
            self.sim.close()


if __name__ == "__main__":
    run(Simulator)
