"""Plan with learned world models on robots and cars."""

import os
import sys

if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", "egl")  # draw without a screen; MuJoCo reads it when it is imported
