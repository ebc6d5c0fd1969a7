"""Planner settings of published world models, each registered under its own name."""

from wm_planner.planners.cem import CEM


class VJEPA2AC(CEM):
    """Source: facebookresearch/vjepa2, notebooks/utils/world_model_wrapper.py (Assran et al. 2025).

    Its `maxnorm` corresponds to the card's action box: 0.05 m per step there. It fixes the rotation at zero
    and searches gripper commands within +-0.75; to do the same, leave the rotation out of the card's action
    or narrow the box.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """The published settings; the initial standard deviation is half the action range."""

        horizon: int = 2
        samples: int = 400
        elites: int = 10
        iterations: int = 10
        momentum: float = 0.15
        init_std: float = 1.0
        min_std: float = 0.0


class DinoWM(CEM):
    """Source: gaoyuezhou/dino_wm, conf/planner/cem.yaml (Zhou et al. 2024).

    There, actions are normalised by the standard deviation of the data, which is taken here to be half the
    action range, and one action spans five environment steps.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """The published settings."""

        horizon: int = 5
        samples: int = 300
        elites: int = 30
        iterations: int = 30
        init_std: float = 1.0
        min_std: float = 0.0
