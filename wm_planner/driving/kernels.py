"""The loops that numba compiles. Each does what a function of NumPy beside its caller does, to the last bit."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving import boxes
from wm_planner.driving.compiled import kernel

Floats = NDArray[np.float64]

_gaps = kernel(boxes.gaps)


@kernel
def first_hits(
    ego: Floats, ego_way: Floats, half: Floats, agents: Floats, agents_way: Floats, halves: Floats
) -> NDArray[np.int64]:
    """Of `collision.first_hits`: poses, their cosine and sine, half sizes."""
    count, steps = ego.shape[:2]
    hits = np.full((count, len(halves)), steps)
    own = np.hypot(half[0], half[1])
    reach = np.empty(len(halves))
    for a in range(len(halves)):
        reach[a] = (own + np.hypot(halves[a, 0], halves[a, 1]) + 1e-9) ** 2
    for n in range(count):
        m = min(n, len(agents) - 1)
        for t in range(steps):
            for a in range(len(halves)):
                dx, dy = agents[m, t, a, 0] - ego[n, t, 0], agents[m, t, a, 1] - ego[n, t, 1]
                if not dx * dx + dy * dy < reach[a] or hits[n, a] < t:
                    continue
                ca, sa, cb, sb = ego_way[n, t, 0], ego_way[n, t, 1], agents_way[m, t, a, 0], agents_way[m, t, a, 1]
                g = _gaps(dx, dy, ca, sa, half[0], half[1], cb, sb, halves[a, 0], halves[a, 1])
                if g[0] <= 0 and g[1] <= 0 and g[2] <= 0 and g[3] <= 0:
                    hits[n, a] = t
    return hits
