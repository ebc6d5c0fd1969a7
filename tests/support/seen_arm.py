"""An arm with a gripper whose pictures hold its pose as numbers: its world model, and pairs of pictures."""

import numpy as np
from point_mass import make_card

from wm_planner.contracts.card import ActionSpec, LatentSpec, ObservationSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.quantity import Quantity
from wm_planner.contracts.rollout import Rollout
from wm_planner.contracts.task import Goal
from wm_planner.control.pose import apply_action
from wm_planner.evaluation.model_quality.pairs import Pair

POSE_CHANGE = ActionSpec(
    names=("dx", "dy", "dz", "droll", "dpitch", "dyaw", "dgripper"),
    units=("m", "m", "m", "rad", "rad", "rad", "share closed"),
    low=(-0.05,) * 3 + (-0.2,) * 3 + (-0.75,),
    high=(0.05,) * 3 + (0.2,) * 3 + (0.75,),
)
SIDE = 8


class SeenArm:
    """Predicts the picture's numbers from the pose that it is told, and its action.

    Attributes:
        encoded: number of observations that were encoded.
    """

    def __init__(self, action=POSE_CHANGE, gain=1.0):
        observation = ObservationSpec(
            cameras=("front",),
            height=SIDE,
            width=SIDE,
            joined="channels",
            input_shape=(3, SIDE, SIDE),
            state=(Quantity(name="tcp_pose", size=7, unit="m, rad, share closed"),),
        )
        latents = (
            LatentSpec(name="z", shape=(SIDE * SIDE * 3,)),
            LatentSpec(name="tcp_pose", shape=(7,), unit="m, rad, share closed"),
        )
        self.card = make_card(action, observation=observation, latents=latents, max_candidates=16)
        self.gain, self.encoded = gain, 0

    def encode(self, observation, last_action=None, memory=None, noise=None):
        self.encoded += 1
        image = observation.images["front"].astype(np.float32).reshape(1, -1)
        pose = observation.state.get("tcp_pose", np.zeros(7))
        return {"z": image, "tcp_pose": np.asarray(pose, np.float32)[None]}

    def rollout(self, latent, actions, noise=None):
        pose = apply_action(latent["tcp_pose"].astype(np.float64), self.gain * actions[:, 0])
        return Rollout({"z": np.stack([picture(each).reshape(1, -1) for each in pose])})


def picture(pose):
    """The picture (8, 8, 3) of a pose (7,): its numbers in a column off the centre, in two colours."""
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    image[:7, 2, 0] = np.concatenate([10 * pose[:3], np.sin(pose[3:6]), pose[6:]])
    image[:7, 2, 1] = 0.5 * image[:7, 2, 0]
    return image


def pairs(count=30, seed=0, grips=True):
    """Pairs of pictures of an arm that moves along, and turns about, all axes."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        pose = np.array([0.5, 0.1, 0.2, 3.0, 0.1, -0.4, 0.5]) + 0.1 * rng.uniform(-1, 1, 7)
        action = rng.uniform(POSE_CHANGE.low, POSE_CHANGE.high)
        action[6] *= 0.5 if grips else 0.0
        after = picture(apply_action(pose, action))
        before = Observation({"front": picture(pose)}, {"tcp_pose": pose})
        found.append(Pair(str(number), before, Goal({"front": after}), action.astype(np.float32)))
    return found
