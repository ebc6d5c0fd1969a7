"""A simulator, a planner and a controller in realtime on one clock that is moved by hand."""

from contextlib import suppress

import numpy as np
from node_bench import Bench, envelope

from wm_planner.clock import nanoseconds
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.errors import InputError

STEP_S = 0.01


class RealtimeRoad:
    """A drive of three nodes; each can be stopped, as by SIGSTOP.

    Attributes:
        drives: every /drive so far, with its time in s.
        late_s: for which the simulator gets no processor time, again and again.
    """

    def __init__(self, scenario, vehicle="bmw_320i", **settings):
        spec = {"type": "traffic", "scenario": scenario, "vehicle": vehicle, "picture": None, **settings}
        self.simulator = Bench("simulator", "realtime", simulator=spec, episodes=1, steps=1000)
        adapter = {"type": "driving", "vehicle": vehicle}
        self.planner = Bench("planner", "realtime", adapter=adapter, planner={"type": "idm"})
        control = {"type": "ackermann", "vehicle": vehicle}
        self.controller = Bench("controller", "realtime", control=control, control_dt_s=0.1)
        self.stopped, self.drives, self.steps, self.now_ns = set(), [], 0, self.simulator.clock.now_ns()
        self.spoil, self.late_s = (lambda topic, message: message), 0.02

    @property
    def ego(self):
        return self.simulator.node.sim.now.ego

    @property
    def offset_m(self):
        """How far the rear axle is from the route."""
        line: Centreline = self.simulator.node.sim.drive.line
        return abs(float(line.project(self.ego[:2]).d))

    def run(self, seconds):
        """Let the time pass; the largest distance from the route on the way, in m."""
        return max(self.step() for _ in range(round(seconds / STEP_S)))

    def step(self):
        self.now_ns += nanoseconds(STEP_S)
        self.steps += 1
        for bench in (self.simulator, self.planner, self.controller):
            bench.clock.set_ns(self.now_ns)
        if self.steps % round(self.late_s / STEP_S) == 0:
            self.catch_up()
        self.pass_on(self.simulator, [self.planner, self.controller])
        self.pass_on(self.planner, [self.controller])
        if self.controller not in self.stopped:
            if self.steps % 2 == 0:
                self.controller.node.watch()
            self.controller.node.send_set_point()
        self.drives += [(self.now_ns / 1e9, m) for topic, m in self.controller.sent if topic == "/drive"]
        self.pass_on(self.controller, [self.planner, self.simulator])
        return self.offset_m

    def catch_up(self):
        """Let the simulator reach the time of now; the others hear the last of its ticks."""
        simulator, at = self.simulator.node, None
        while at != (at := (simulator.step, simulator.slices)):
            simulator.catch_up()
        kept = {topic: (topic, message) for topic, message in self.simulator.sent}
        self.simulator.sent[:] = kept.values()

    def pass_on(self, sender, readers):
        sent = list(sender.sent)
        sender.sent.clear()
        for topic, message in sent:
            for reader in readers:
                given = self.spoil(topic, message)
                if reader not in self.stopped and given is not None:
                    with suppress(InputError):  # the node drops what it cannot use
                        reader.hear(topic, given, envelope(self.now_ns, self.now_ns))

    def speeds(self, since_s):
        """The speeds (N,) of the set-points since a time."""
        return np.array([drive.drive.speed for at_s, drive in self.drives if at_s > since_s])

    def close(self):
        for bench in (self.simulator, self.planner, self.controller):
            bench.close()
