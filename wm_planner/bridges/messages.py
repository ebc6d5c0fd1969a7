"""Conversion between the engine's arrays and ROS 2 messages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.task import Goal
from wm_planner.control.pose import quaternion_from_euler
from wm_planner.errors import InputError
from wm_planner.messaging import messages as m
from wm_planner.messaging.images import image, image_array
from wm_planner.planners.mpc import Decision

POSE_STATE = "tcp_position"
"""The state that /tcp_pose carries."""

WHOLE_POSE = "tcp_pose"
"""The state of arms with a gripper: position, Euler angles and share closed, see `control.pose`."""

JOINT_STATES = {"joint_positions": "position", "joint_velocities": "velocity"}
"""States that /joint_states carries, to its field."""

_TOOL_DOWN = (1.0, 0.0, 0.0, 0.0)  # x y z w


def camera_topic(name: str) -> str:
    """The topic of a camera's pictures."""
    return f"/camera/{name}/image_raw"


def state_topic(name: str) -> str:
    """The topic that carries a state."""
    if name in JOINT_STATES:
        return "/joint_states"
    return "/tcp_pose" if name == POSE_STATE else f"/signal/{name}"


def sensor_messages(observation: Observation, joints: Sequence[str], stamp_ns: int) -> dict[str, m.Message]:
    """What a tick publishes, by topic.

    Args:
        observation: with `joint_positions`, `joint_velocities` and, of an arm whose tool points down,
            `tcp_position`, or `tcp_pose` with its orientation and gripper.
        joints: names of the joints.
    """
    state = observation.state
    sensors = {
        "/clock": m.Clock(clock=m.time(stamp_ns)),
        "/joint_states": m.joint_state(joints, state["joint_positions"], stamp_ns, state["joint_velocities"]),
    }
    pose = state.get(WHOLE_POSE)
    if POSE_STATE in state:
        orientation = _TOOL_DOWN if pose is None else quaternion_from_euler(pose[3:6])
        sensors["/tcp_pose"] = m.pose_stamped(state[POSE_STATE], orientation, stamp_ns)
    if pose is not None:
        sensors[state_topic(WHOLE_POSE)] = m.signal(WHOLE_POSE, pose, stamp_ns)
    return sensors | {
        camera_topic(name): image(picture, stamp_ns, name) for name, picture in observation.images.items()
    }


def signal_messages(observation: Observation, stamp_ns: int) -> dict[str, m.Message]:
    """The tick of a simulator whose states are signals without a topic of their own, by topic."""
    images, states = observation.images.items(), observation.state.items()
    return (
        {"/clock": m.Clock(clock=m.time(stamp_ns))}
        | {f"/signal/{name}": m.signal(name, values, stamp_ns) for name, values in states}
        | {camera_topic(name): image(picture, stamp_ns, name) for name, picture in images}
    )


def observation_of(
    sensors: Mapping[str, m.Message], cameras: Sequence[str], states: Sequence[str] = (POSE_STATE,)
) -> Observation:
    """The observation in the sensor messages of one tick, by topic.

    Args:
        sensors: a message per topic of the cameras and of the states.
        cameras: names of the images.
        states: names of the states; those without a message are left out.
    """
    images = {name: image_array(sensors[camera_topic(name)]) for name in cameras}
    present = [name for name in states if state_topic(name) in sensors]
    state = {name: _state_in(sensors[state_topic(name)], name) for name in present}
    return Observation(images, state, m.stamp_ns(next(iter(sensors.values()))))


def _state_in(message: m.Message, name: str) -> NDArray[Any]:
    """The state `name` that a message of its topic carries."""
    if name in JOINT_STATES:
        joints: NDArray[Any] = getattr(message, JOINT_STATES[name])
        return joints
    if name == POSE_STATE:
        position = message.pose.position
        return np.array([position.x, position.y, position.z])
    return next(iter(m.named_arrays_of([message.array]).values())).reshape(-1)  # an audio window is (n, c)


def goal_message(goal_id: int, goal: Observation, stamp_ns: int) -> m.Message:
    """What a simulator shows of a goal, in any of the forms of `contracts.task.Goal`."""
    pose = goal.pose if isinstance(goal, Goal) else None
    stages = (*goal.before, goal) if isinstance(goal, Goal) else (goal,)
    shown = [(name, picture) for stage in stages for name, picture in stage.images.items()]
    steps = [stage.steps if isinstance(stage, Goal) else 0 for stage in stages]
    return m.Goal(
        header=m.header(stamp_ns),
        id=goal_id,
        cameras=[name for name, _ in shown],
        pictures=[image(picture, stamp_ns, name) for name, picture in shown],
        pose=[] if pose is None else [m.pose_stamped(pose[:3], pose[3:], stamp_ns).pose],
        route=m.Path(header=m.header(stamp_ns), poses=[]),
        states=m.named_arrays(dict(goal.state)),
        text=goal.text if isinstance(goal, Goal) else "",
        steps=np.array(steps if len(stages) > 1 or steps[0] else [], np.uint32),
    )


def goal_of(message: m.Message, cameras: Sequence[str], states: Sequence[str] = ()) -> Goal | None:
    """What a model can encode of a goal: the pictures of it and its sub-goals, and of `states` those told.

    Returns:
        None for a goal without pictures and without any of the states, such as that of a task with reward.

    Raises:
        InputError: if one of `cameras` has no picture, but others have, or there are more names than
            pictures, or fewer, or another number of steps than of sub-goals.
    """
    told = {name: values for name, values in m.named_arrays_of(message.states).items() if name in states}
    if not message.cameras and (cameras or not told):
        return None
    missing = sorted(set(cameras) - set(message.cameras))
    if missing:
        raise InputError(
            f"goal {message.id} has pictures of {list(message.cameras)}, the model needs also {missing}: "
            "publish a /goal with one picture per camera"
        )
    if len(message.cameras) != len(message.pictures):
        raise InputError(
            f"goal {message.id} has {len(message.pictures)} pictures of {len(message.cameras)} cameras: its "
            "sender is broken"
        )
    *before, last = _stages(message)
    return replace(last, state=told, before=tuple(before))


def _stages(message: m.Message) -> list[Goal]:
    """The sub-goals that a goal shows, then itself, with their steps.

    Raises:
        InputError: if the numbers of pictures per camera, or of pictures and steps, differ.
    """
    pictures: dict[str, list[m.Message]] = {name: [] for name in message.cameras}
    for name, picture in zip(message.cameras, message.pictures, strict=True):
        pictures[name].append(picture)
    steps = [int(each) for each in message.steps] or [0]
    counts = {name: len(shown) for name, shown in pictures.items()}
    if set(counts.values()) - {len(steps)}:
        raise InputError(
            f"goal {message.id} has steps for {len(steps)} goals, and pictures: {counts}; wanted one picture "
            "per camera and goal, in the order in which they are pursued"
        )
    return [
        Goal({name: image_array(shown[at]) for name, shown in pictures.items()}, steps=count)
        for at, count in enumerate(steps)
    ]


def latent_message(
    latent: Latent,
    goal_id: int,
    stamp_ns: int,
    surprise: float,
    episode_id: int = 0,
    steps: Sequence[int] = (),
) -> m.Message:
    """A latent (1, ...) that was encoded while `goal_id` was the goal, in an episode; 0 for none.

    That of a goal with sub-goals is (K, ...), with the `steps` of each.
    """
    return m.Latent(
        header=m.header(stamp_ns),
        goal_id=goal_id,
        arrays=m.named_arrays(dict(latent)),
        surprise=surprise,
        episode_id=episode_id,
        steps=np.array(steps, np.uint32),
    )


def plan_message(
    plan_id: int,
    actions: NDArray[np.float32],
    spec: ActionSpec,
    dt_s: float,
    stamp_ns: int,
    latency_steps: int = 0,
    frame: str = "",
    **how: Any,
) -> m.Message:
    """A plan (L + H, A), the first L `latency_steps`; `how` holds `execute_steps` and `fallback`."""
    return m.Plan(
        header=m.header(stamp_ns, frame),
        id=plan_id,
        action_names=list(spec.names),
        action_units=list(spec.units),
        horizon=len(actions),
        actions=np.ascontiguousarray(actions, np.float32).reshape(-1),
        dt_s=dt_s,
        latency_steps=latency_steps,
        **how,
    )


def actions_of(plan: m.Message) -> NDArray[np.float32]:
    """The actions (H, A) of a plan.

    Raises:
        InputError: if there are not H rows of A numbers with a unit each, a row lasts less than 1 us or more
            than a day, or there are fewer rows than are to be passed over and executed.
    """
    shape = plan.horizon, len(plan.action_names)
    if len(plan.action_units) != shape[1]:
        raise InputError(
            f"/plan {plan.id} has {shape[1]} names and {len(plan.action_units)} units of components: its "
            "sender is broken"
        )
    if plan.actions.size != math.prod(shape) or not 1e-6 <= plan.dt_s <= 86_400:
        raise InputError(
            f"/plan {plan.id} holds {plan.actions.size} numbers for {shape[0]} steps of {plan.dt_s:g} s with "
            f"{shape[1]} components each: its sender is broken"
        )
    if not (plan.latency_steps >= 0 and 1 <= plan.execute_steps <= plan.horizon - plan.latency_steps):
        raise InputError(
            f"/plan {plan.id} is to be executed for {plan.execute_steps} steps after {plan.latency_steps} "
            f"that are passed over, and holds {plan.horizon}: its sender is broken"
        )
    actions: NDArray[np.float32] = plan.actions.reshape(shape)
    return actions


def why_not_finite(plan: m.Message) -> str:
    """Where a plan holds NaN or infinity, e.g. "dx of step 2 is nan"; empty if it does not."""
    actions = actions_of(plan)
    bad = np.argwhere(~np.isfinite(actions))
    if not len(bad):
        return ""
    step, component = bad[0]
    return f"{plan.action_names[component]} of step {step} is {actions[step, component]}"


def targets_of(command: m.Message, field: str = "positions") -> NDArray[np.float64]:
    """The targets (J,) of the joints that a /command names: positions, or "effort".

    Raises:
        InputError: if it has no point, or not one finite number per joint.
    """
    targets = np.asarray(getattr(command.points[0], field) if command.points else (), np.float64)
    if targets.shape != (len(command.joint_names),) or not np.isfinite(targets).all():
        raise InputError(
            f"/command holds {targets.tolist()} for {', '.join(command.joint_names) or 'no joint'}, wanted "
            "one finite number per joint"
        )
    return targets


def action_message(executed: NDArray[np.float32], plan: m.Message, stamp_ns: int, holding: bool) -> m.Message:
    """The action (A,) that was carried out from the state of `stamp_ns`, named as those of the plan."""
    return m.Action(
        header=m.header(stamp_ns, plan.header.frame_id),
        names=list(plan.action_names),
        units=list(plan.action_units),
        values=np.ascontiguousarray(executed, np.float32),
        holding=holding,
    )


def plan_info_message(plan_id: int, decision: Decision, stamp_ns: int, **how: Any) -> m.Message:
    """How a decision was found; `how` holds `goal_id`, `input_age_s` and `seed`."""
    plan = decision.plan
    return m.PlanInfo(
        header=m.header(stamp_ns),
        plan_id=plan_id,
        cost=plan.cost,
        term_names=list(plan.terms),
        term_values=np.array(list(plan.terms.values()), np.float64),
        violation=plan.violation,
        spread=plan.spread.astype(np.float32),
        iterations=plan.iterations,
        evaluations=plan.evaluations,
        elapsed_s=plan.elapsed_s,
        deadline_hit=plan.deadline_hit,
        fallback=decision.fallback is not None,
        reason=decision.fallback or "",
        **how,
    )


def path_message(positions: NDArray[Any], stamp_ns: int) -> m.Message:
    """Imagined tool positions (H, 3) in m."""
    poses = [m.pose_stamped(position, _TOOL_DOWN, stamp_ns) for position in positions]
    return m.Path(header=m.header(stamp_ns), poses=poses)


def joints_of(message: m.Message, names: Sequence[str], field: str = "position") -> NDArray[np.float64]:
    """The positions (J,) in rad of the joints `names`, or another `field` of them, e.g. "velocity".

    Raises:
        InputError: if some are not in the message, or names and values differ in number.
    """
    values = getattr(message, field)
    if len(message.name) != len(values):
        raise InputError(
            f"/joint_states has {len(message.name)} names and {len(values)} values of the {field}: its "
            "sender is broken"
        )
    position = dict(zip(message.name, values, strict=True))
    missing = sorted(set(names) - set(position))
    if missing:
        raise InputError(
            f"/joint_states lacks {missing}: is another robot connected? (controller: params.robot)"
        )
    return np.array([position[name] for name in names])
