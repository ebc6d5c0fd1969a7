"""The settings that published world models were planned with, each a planner of its own name."""

from wm_planner.planners.cem import CEM


class VJEPA2AC(CEM):
    """Source: facebookresearch/vjepa2, notebooks/utils/world_model_wrapper.py (Assran et al. 2025).

    Its `maxnorm` is the action box of the card: 0.05 m a step there. It pins the rotation to zero and
    searches gripper commands in +-0.75; leave such components out of the card's action, or narrow the box.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """400 samples, 10 elites, 10 iterations over 2 steps, momentum 0.15, first deviation the box."""

        horizon: int = 2
        samples: int = 400
        elites: int = 10
        iterations: int = 10
        momentum: float = 0.15
        init_std: float = 1.0
        min_std: float = 0.0


class DinoWM(CEM):
    """Source: gaoyuezhou/dino_wm, conf/planner/cem.yaml (Zhou et al. 2024).

    Actions there are normalised by the data's deviation, which is taken to be half the action range here;
    five steps of the environment are one action.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """300 samples, 30 elites, 30 iterations over 5 steps, first deviation 1."""

        horizon: int = 5
        samples: int = 300
        elites: int = 30
        iterations: int = 30
        init_std: float = 1.0
        min_std: float = 0.0
