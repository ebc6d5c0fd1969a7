"""The settings of a practice, and the command line that stands for them."""

import shlex
from typing import Annotated, Literal

import msgspec

from wm_planner.config import Config, Count, Positive


class PracticeConfig(Config, frozen=True, kw_only=True):
    """What is practised, and how.

    Attributes:
        model_file: path of a model file, e.g. models/tdmpc2.py.
        simulator: as for `wm collect`, e.g. `gym,id=Pendulum-v1`.
        recipe: name of one of the model file's recipes; its `iterations` are those of all rounds together.
        changes: of the recipe, as `field=value`.
        rounds: number of rounds after the first one; each collects, then trains.
        episodes: collected per round.
        first_episodes: random episodes that the first round collects; limits of costs do not hold for them.
        steps: transitions per episode.
        noise: of the exploration, see `PlannedActions`.
        planner: as `name,key=value`.
        costs: as `name,key=value`; empty for the reward and the value, as far as the model has them.
        proposals: what a search starts from, see `RecedingHorizon.Config`.
        data: further data sets of the first round.
    """

    model_file: str
    simulator: str
    recipe: str
    changes: tuple[str, ...] = ()
    rounds: Positive = 16
    episodes: Positive = 1
    first_episodes: Count = 4
    steps: Positive = 200
    noise: Annotated[float, msgspec.Meta(ge=0)] = 0.3
    planner: str = "policy,horizon=1"
    costs: tuple[str, ...] = ()
    proposals: Literal["elites", "policy"] = "elites"
    data: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command line of this practice, without its folder and the limit of CPU time."""
        defaults = {each.name: each.default for each in msgspec.structs.fields(self)}
        words = ["wm", "practise", self.model_file, self.simulator, "--recipe", self.recipe]
        for field, option in _OPTIONS.items():
            value = getattr(self, field)
            if value != defaults[field]:
                texts = map(str, value if isinstance(value, tuple) else (value,))
                kept = (text for text in texts if not text.startswith("cpu_seconds="))
                words += [word for text in kept for word in (option, text)]
        return shlex.join(words)


_OPTIONS = {
    "changes": "--set",
    "rounds": "--rounds",
    "episodes": "--episodes",
    "first_episodes": "--first-episodes",
    "steps": "--steps",
    "noise": "--noise",
    "planner": "--planner",
    "costs": "--cost",
    "proposals": "--proposals",
    "data": "--data",
}
