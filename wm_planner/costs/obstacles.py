"""Obstacle avoidance: static keep-out zones and moving objects."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.errors import ShapeError


class KeepOut:
    """Largest penetration depth of a position into keep-out zones over all steps, in m; 0 outside.

    As a term it is a soft wall; with a `limit` it is a constraint.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The zones.

        Attributes:
            state: a position in the rollout, (k,), k = 2 or 3, in m.
            spheres: k centre coordinates and the radius of each, in m.
            boxes: k coordinates of the lowest and k of the highest corner of each, in m.
            margin: added to all zones, in m.
        """

        state: str
        spheres: tuple[tuple[float, ...], ...] = ()
        boxes: tuple[tuple[float, ...], ...] = ()
        margin: float = 0.0

        def __post_init__(self) -> None:
            if not self.spheres and not self.boxes:
                raise ValueError("neither spheres nor boxes, wanted at least one zone")
            sizes = {len(sphere) - 1 for sphere in self.spheres} | {len(box) / 2 for box in self.boxes}
            if len(sizes) != 1:
                raise ValueError("spheres need k + 1 and boxes 2 k numbers, wanted the same k for all")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requires = frozenset({f"state:{config.state}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        position = rollout.states[self.config.state]  # (N, H, k)
        xp, size = namespace(position), position.shape[-1]
        depths = []
        if self.config.spheres:
            depths.append(_depth_in_spheres(position, _checked(self.config.spheres, size + 1, position)))
        for box in self.config.boxes:
            corners = _checked((box,), 2 * size, position)[0, :]
            inside = xp.minimum(position - corners[:size], corners[size:] - position)  # (N, H, k)
            depths.append(xp.min(inside, axis=-1))
        deepest = depths[0]
        for depth in depths[1:]:
            deepest = xp.maximum(deepest, depth)
        deepest = xp.max(deepest, axis=1) + self.config.margin
        return xp.maximum(deepest, xp.zeros_like(deepest))


class Obstacles:
    """Largest penetration depth of a position into moving objects over all steps, in m; 0 outside.

    The objects are M spheres, an array in the mapping `objects` of `Context.domain`, k centre coordinates
    and the radius each, in m:
    (M, k + 1) for static ones, (H, M, k + 1) for a forecast per step.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The position and the objects.

        Attributes:
            state: a position in the rollout, (k,), in m.
            objects: name of the array in the context.
            margin: added to all objects, in m.
        """

        state: str
        objects: str
        margin: float = 0.0

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requires = frozenset({f"state:{config.state}", f"context:domain.objects.{config.objects}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        position = rollout.states[self.config.state]  # (N, H, k)
        xp, size = namespace(position), position.shape[-1] + 1
        spheres = match(context.domain.objects[self.config.objects], position)
        horizon = position.shape[1]
        fits = spheres.ndim == 2 or (spheres.ndim == 3 and spheres.shape[0] == horizon)
        if not fits or spheres.shape[-1] != size:
            raise ShapeError(
                f"objects '{self.config.objects}' have shape {tuple(spheres.shape)}, wanted (M, {size}), or "
                f"({horizon}, M, {size}) for a forecast per step"
            )
        if spheres.shape[-2] == 0:
            return 0 * actions[:, 0, 0]
        deepest = xp.max(_depth_in_spheres(position, spheres), axis=1) + self.config.margin
        return xp.maximum(deepest, xp.zeros_like(deepest))


def _depth_in_spheres(position: Array, spheres: Array) -> Array:
    """Largest depth of positions (N, H, k) in spheres (..., M, k + 1), (N, H); negative outside."""
    xp = namespace(position)
    deepest = None
    for index in range(spheres.shape[-2]):  # reductions over axes of length 2 or 3 are slow, so loop instead
        sphere = spheres[..., index, :]
        square = 1e-20  # keeps the gradient of the root finite at the centre
        for axis in range(position.shape[-1]):
            offset = position[..., axis] - sphere[..., axis]  # (N, H)
            square = square + offset * offset
        depth = sphere[..., -1] - xp.sqrt(square)
        deepest = depth if deepest is None else xp.maximum(deepest, depth)
    return deepest


def _checked(zones: tuple[tuple[float, ...], ...], numbers: int, position: Array) -> Array:
    """The zones as an array (M, numbers)."""
    if len(zones[0]) != numbers:
        raise ShapeError(
            f"a zone has {len(zones[0])} numbers, wanted {numbers} for positions of {position.shape[-1]}"
        )
    return match(zones, position)
