"""Where the robot must not be: zones that stand, and objects that move."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.errors import ShapeError


class KeepOut:
    """How deep a position is inside of forbidden zones: the deepest step and zone, in m; 0 outside.

    As a term it is a soft wall; with a `limit` it is a constraint.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The zones.

        Attributes:
            state: a position of the rollout, (k,), k = 2 or 3, in m.
            spheres: each k numbers of the centre and the radius, in m.
            boxes: each k numbers of the lowest and k of the highest corner, in m.
            margin: by which all zones are larger, in m.
        """

        state: str
        spheres: tuple[tuple[float, ...], ...] = ()
        boxes: tuple[tuple[float, ...], ...] = ()
        margin: float = 0.0

        def __post_init__(self) -> None:
            if not self.spheres and not self.boxes:
                raise ValueError("no spheres and no boxes, wanted a zone to keep out of")
            sizes = {len(sphere) - 1 for sphere in self.spheres} | {len(box) / 2 for box in self.boxes}
            if len(sizes) != 1:
                raise ValueError("spheres of k + 1 and boxes of 2 k numbers, wanted one k for all")

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
    """How deep a position is inside of moving objects: the deepest step and object, in m; 0 outside.

    The objects are spheres of `Context.objects`: (M, k + 1) that stand, or (H, M, k + 1) with a forecast a
    step; k numbers of the centre and the radius, in m.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Who must not touch whom.

        Attributes:
            state: a position of the rollout, (k,), in m.
            objects: name of the array in the context.
            margin: by which all objects are larger, in m.
        """

        state: str
        objects: str
        margin: float = 0.0

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requires = frozenset({f"state:{config.state}", f"context:objects.{config.objects}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        position = rollout.states[self.config.state]  # (N, H, k)
        xp, size = namespace(position), position.shape[-1] + 1
        spheres = match(context.objects[self.config.objects], position)
        horizon = position.shape[1]
        fits = spheres.ndim == 2 or (spheres.ndim == 3 and spheres.shape[0] == horizon)
        if not fits or spheres.shape[-1] != size:
            raise ShapeError(
                f"objects '{self.config.objects}' have shape {tuple(spheres.shape)}, wanted (M, {size}), or "
                f"({horizon}, M, {size}) with a forecast a step"
            )
        if spheres.shape[-2] == 0:
            return 0 * actions[:, 0, 0]
        deepest = xp.max(_depth_in_spheres(position, spheres), axis=1) + self.config.margin
        return xp.maximum(deepest, xp.zeros_like(deepest))


def _depth_in_spheres(position: Array, spheres: Array) -> Array:
    """How deep positions (N, H, k) are in the deepest of spheres (..., M, k + 1), (N, H); below 0 outside."""
    xp = namespace(position)
    deepest = None
    for index in range(spheres.shape[-2]):  # sphere by sphere and axis by axis: sums of two numbers are slow
        sphere = spheres[..., index, :]
        square = 1e-20  # so that the root has a slope at the centre
        for axis in range(position.shape[-1]):
            way = position[..., axis] - sphere[..., axis]  # (N, H)
            square = square + way * way
        depth = sphere[..., -1] - xp.sqrt(square)
        deepest = depth if deepest is None else xp.maximum(deepest, depth)
    return deepest


def _checked(zones: tuple[tuple[float, ...], ...], numbers: int, position: Array) -> Array:
    """The zones as an array (M, numbers)."""
    if len(zones[0]) != numbers:
        raise ShapeError(
            f"a zone of {len(zones[0])} numbers for positions of {position.shape[-1]}, wanted {numbers}"
        )
    return match(zones, position)
