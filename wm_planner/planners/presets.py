"""Planner settings of a published world model, registered under a name of their own."""

from wm_planner.planners.cem import CEM


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
