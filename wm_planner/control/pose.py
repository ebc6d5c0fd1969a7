"""Tool poses as vectors: applying an action to a pose, and the action between two poses.

A pose is x, y, z in m, three Euler angles in rad, and the gripper position: 0 open, 1 closed, as in DROID.
(`control.gripper`, which drives simulated fingers, takes an opening instead: 0 closed, 1 open.) An action is
a difference of poses, with its rotation in the base frame. The Euler angles are extrinsic, about the fixed
axes x, y, z in this order (SciPy's "xyz"). The functions are written in the array API, for NumPy, torch and
graphs, and keep the dtype of their arrays. Axes: ... any batch axes.

Source: the conventions of DROID (Khazatsky et al. 2024) and of Assran et al. 2025 (V-JEPA 2-AC), sec. 3;
Zhou et al. 2019 (arXiv 1812.07035) for the 6D representation of rotations.
"""

from wm_planner.contracts.arrays import Array, namespace

GIMBAL_LOCK = 1e-7
"""Cosine of the second angle up to which the first and third are indistinguishable; the third is then 0."""


def apply_action(pose: Array, action: Array) -> Array:
    """The pose (..., 7) after `action` (..., 7) from `pose` (..., 7); the gripper is clipped to 0 .. 1."""
    xp = namespace(pose)
    rotation = matrix_from_euler(action[..., 3:6]) @ matrix_from_euler(pose[..., 3:6])
    gripper = xp.clip(pose[..., 6:] + action[..., 6:], 0.0, 1.0)
    return xp.concat((pose[..., :3] + action[..., :3], euler_from_matrix(rotation), gripper), axis=-1)


def action_between(pose: Array, after: Array) -> Array:
    """The action (..., 7) that leads from `pose` to `after`, (..., 7) each."""
    xp = namespace(pose)
    inverse = xp.matrix_transpose(matrix_from_euler(pose[..., 3:6]))
    rotation = euler_from_matrix(matrix_from_euler(after[..., 3:6]) @ inverse)
    return xp.concat((after[..., :3] - pose[..., :3], rotation, after[..., 6:] - pose[..., 6:]), axis=-1)


def matrix_from_euler(angles: Array) -> Array:
    """Rotation matrices (..., 3, 3) of angles (..., 3) in rad about the fixed axes x, then y, then z."""
    xp = namespace(angles)
    cos, sin = xp.cos(angles), xp.sin(angles)
    ca, cb, cc = cos[..., 0], cos[..., 1], cos[..., 2]
    sa, sb, sc = sin[..., 0], sin[..., 1], sin[..., 2]
    entries = (
        (cc * cb, cc * sb * sa - sc * ca, cc * sb * ca + sc * sa),
        (sc * cb, sc * sb * sa + cc * ca, sc * sb * ca - cc * sa),
        (-sb, cb * sa, cb * ca),
    )
    return xp.stack([xp.stack(row, axis=-1) for row in entries], axis=-2)


def quaternion_from_euler(angles: Array) -> Array:
    """Unit quaternions (..., 4) x, y, z, w, as in ROS 2, of angles (..., 3) in rad."""
    xp = namespace(angles)
    cos, sin = xp.cos(angles / 2), xp.sin(angles / 2)
    ca, cb, cc = cos[..., 0], cos[..., 1], cos[..., 2]
    sa, sb, sc = sin[..., 0], sin[..., 1], sin[..., 2]
    entries = (
        sa * cb * cc - ca * sb * sc,
        ca * sb * cc + sa * cb * sc,
        ca * cb * sc - sa * sb * cc,
        ca * cb * cc + sa * sb * sc,
    )
    return xp.stack(entries, axis=-1)


def euler_from_matrix(matrix: Array) -> Array:
    """Angles (..., 3) in rad of rotation matrices (..., 3, 3); the second is within -pi/2 .. pi/2."""
    xp = namespace(matrix)
    m = matrix
    cosine = xp.sqrt(m[..., 0, 0] ** 2 + m[..., 1, 0] ** 2)
    locked = cosine <= GIMBAL_LOCK
    first = xp.where(locked, xp.atan2(-m[..., 1, 2], m[..., 1, 1]), xp.atan2(m[..., 2, 1], m[..., 2, 2]))
    cos, sin = xp.cos(first), xp.sin(first)
    # The third is computed from the rest after the first rotation, so that their errors cancel near the lock.
    third = xp.atan2(sin * m[..., 0, 2] - cos * m[..., 0, 1], cos * m[..., 1, 1] - sin * m[..., 1, 2])
    return xp.stack((first, xp.atan2(-m[..., 2, 0], cosine), third), axis=-1)


def rotation_6d_from_matrix(matrix: Array) -> Array:
    """The first two columns (..., 6) of rotation matrices (..., 3, 3): continuous, unlike angles."""
    xp = namespace(matrix)
    return xp.concat((matrix[..., 0], matrix[..., 1]), axis=-1)


def matrix_from_rotation_6d(columns: Array) -> Array:
    """Rotation matrices (..., 3, 3) from two columns (..., 6), orthonormalised by Gram-Schmidt."""
    xp = namespace(columns)
    first = _unit(columns[..., :3])
    overlap = xp.sum(first * columns[..., 3:], axis=-1, keepdims=True)
    second = _unit(columns[..., 3:] - overlap * first)
    return xp.stack((first, second, _cross(first, second)), axis=-1)


def _unit(vectors: Array) -> Array:
    xp = namespace(vectors)
    return vectors / xp.sqrt(xp.sum(vectors * vectors, axis=-1, keepdims=True))


def _cross(a: Array, b: Array) -> Array:
    xp = namespace(a)
    x = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    y = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    z = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return xp.stack((x, y, z), axis=-1)
