"""The state of a Gymnasium environment: saved by copying its objects, restored, and set to given values.

Gymnasium has no function for either. Copies are checked on a second instance before they are relied on,
because the state of some environments lies outside of Python, for example in a physics server.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import SimulationError

Env = gymnasium.Env[Any, Any]

_SHARED = frozenset({"env", "action_space", "observation_space", "spec", "metadata", "render_mode"})
"""Attributes that are not part of the state."""

_FOREIGN = frozenset({"Box2D", "OpenGL", "glfw", "mujoco", "pygame"})
"""Packages whose objects live outside of Python and are not copied, among them windows and renderers."""

_MOVED = ("body_pos", "body_quat", "geom_pos", "geom_size", "geom_rgba", "site_pos", "site_size", "site_rgba")
"""Arrays of a MuJoCo model that environments change, for example to place a goal."""

_STEPS = 4  # of the trajectories that are compared


class Snapshot:
    """A copy of the state of an environment and its wrappers.

    MuJoCo's data are saved by MuJoCo and written back in place, because renderers refer to them.

    Attributes:
        left_out: attributes that cannot be copied and stay as they are, such as a window, with the reasons.
    """

    def __init__(self, env: Env) -> None:
        self._physics = [_physics(model, data) for model, data in _mujoco(env)]
        self._attributes, self.left_out = _copies([dict(_state(layer)) for layer in _layers(env)], env)

    def restore(self, env: Env) -> None:
        """Bring an environment into this state."""
        copies, _ = _copies(self._attributes, env)
        for layer, attributes in zip(_layers(env), copies, strict=True):
            for name, value in attributes.items():
                setattr(layer, name, value)
        for (model, data), physics in zip(_mujoco(env), self._physics, strict=True):
            _set_physics(model, data, physics)


def check_snapshots(make: Callable[[], Env], name: str) -> None:
    """Check on a new instance that a restored state continues as the original did.

    Raises:
        SimulationError: if it does not.
    """
    env = make()
    try:
        env.action_space.seed(0)
        actions = [env.action_space.sample() for _ in range(2 * _STEPS)]
        env.reset(seed=1)
        _run(env, actions[:_STEPS])
        saved = Snapshot(env)
        expected = _run(env, actions[_STEPS:])
        env.reset(seed=2)
        saved.restore(env)
        restored = _run(env, actions[_STEPS:])
    except Exception as error:  # an environment may raise anything
        raise SimulationError(
            f"{name}: its state cannot be saved: {type(error).__name__}: {error}"
        ) from error
    finally:
        env.close()
    if not _equal(expected, restored):
        where = f"in what cannot be copied ({'; '.join(saved.left_out)})" if saved.left_out else "elsewhere"
        raise SimulationError(
            f"{name}: its state cannot be saved: a copy of its Python objects continues differently, so part "
            f"of the state lies {where}"
        )


def set_state(env: Env, values: NDArray[np.float64], name: str) -> None:
    """Set the state of an environment after a reset.

    Args:
        env: has `set_state(qpos, qvel)`, `set_state(values)`, `_set_state(values)` or an attribute `state`.
        values: positions and velocities for the first, otherwise what the environment takes.
        name: of the environment, for errors.

    Raises:
        SimulationError: if it has none of these, or another number of values.
    """
    base: Any = env.unwrapped
    for model, _ in _mujoco(env):
        if hasattr(base, "set_state") and len(values) == model.nq + model.nv:
            base.set_state(values[: model.nq], values[model.nq :])
            return
    for method in ("set_state", "_set_state"):
        if hasattr(base, method):
            getattr(base, method)(values)
            return
    state = getattr(base, "state", None)
    if state is None:
        raise SimulationError(
            f"{name}: its state cannot be set, it has neither set_state nor state: use `goal: {{steps: n}}`"
        )
    if len(state) != len(values):
        raise SimulationError(f"{name}: its state has {len(state)} values, the goal has {len(values)}")
    base.state = type(state)(values.tolist()) if isinstance(state, tuple | list) else values.copy()


def observe(env: Env) -> Any:
    """What an environment observes in its present state; for classic control, the state itself."""
    base: Any = env.unwrapped
    for method in ("_get_obs", "_get_ob", "get_ob"):
        if hasattr(base, method):
            return getattr(base, method)()
    return np.array(base.state, np.float32)


def _layers(env: Env) -> Iterator[Any]:
    """The wrappers from the outermost in, the environment, and environments that it contains."""
    yield env
    for value in vars(env).values():
        if isinstance(value, gymnasium.Env):
            yield from _layers(value)


def _state(layer: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(layer).items():
        if name not in _SHARED and not _is_foreign(value) and not isinstance(value, gymnasium.Env):
            yield name, value


def _copies(layers: list[dict[str, Any]], env: Env) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Deep copies of attributes, with references to the environment, its spaces and MuJoCo kept.

    Returns:
        the copies, and the attributes that have none, each with the reason.
    """
    memo: dict[int, Any] = {}
    for layer in _layers(env):
        kept = [layer, *(value for name, value in vars(layer).items() if name in _SHARED)]
        memo |= {id(each): each for each in kept}
    memo |= {id(each): each for pair in _mujoco(env) for each in pair}
    copied: list[dict[str, Any]] = []
    left_out = []
    for layer, attributes in zip(_layers(env), layers, strict=True):
        found = {}
        for name, value in attributes.items():
            try:
                found[name] = copy.deepcopy(value, memo)
            except Exception as error:  # its own code may raise anything; `check_snapshots` tries the rest
                left_out.append(f"{type(layer).__name__}.{name}: {type(error).__name__}: {error}")
        copied.append(found)
    return copied, tuple(left_out)


def _mujoco(env: Env) -> list[tuple[Any, Any]]:
    """The pairs of MuJoCo model and data that are attributes of the environment or its wrappers."""
    found = []
    for layer in _layers(env):
        kinds = {type(value).__name__: value for value in vars(layer).values() if _root(value) == "mujoco"}
        if {"MjModel", "MjData"} <= kinds.keys():
            found.append((kinds["MjModel"], kinds["MjData"]))
    return found


def _is_foreign(value: Any) -> bool:
    """Whether an object, or an element of a list or mapping, lives outside of Python."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(_root(each) in _FOREIGN for each in value)
    return _root(value) in _FOREIGN or "mujoco_rendering" in type(value).__module__


def _root(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _physics(model: Any, data: Any) -> dict[str, NDArray[np.float64]]:
    import mujoco

    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, state, kind)
    return {"state": state, **{name: getattr(model, name).copy() for name in _MOVED}}


def _set_physics(model: Any, data: Any, saved: dict[str, NDArray[np.float64]]) -> None:
    import mujoco

    for name in _MOVED:
        np.copyto(getattr(model, name), saved[name])
    mujoco.mj_setState(model, data, saved["state"], mujoco.mjtState.mjSTATE_INTEGRATION)
    mujoco.mj_forward(model, data)


def _run(env: Env, actions: list[Any]) -> list[Any]:
    """The results of some steps, up to the end of the episode, and the picture after them."""
    results: list[Any] = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        results.append((copy.deepcopy(observation), float(reward), bool(terminated), bool(truncated)))
        if terminated or truncated:
            break
    return [*results, env.render()] if env.render_mode == "rgb_array" else results


def _equal(one: Any, other: Any) -> bool:
    """Whether nested results are the same to the last bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"))
