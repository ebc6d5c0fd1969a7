"""A traffic scenario as a Gymnasium environment: step it with accelerations and steering rates.

The shipped scenarios are `wm_planner/DriveMerge-v0`, `DriveCutIn-v0`, `DriveSlowCar-v0` and so on; any
other file is `wm_planner/Drive-v0` with `scenario=PATH`.

    python examples/drive_in_gymnasium.py
"""

import gymnasium
import numpy as np


def main() -> None:
    name = "wm_planner.driving.simulation.gym_env:wm_planner/DriveCruise-v0"
    environment = gymnasium.make(name, picture={"size_px": 64}, render_mode="rgb_array")
    seen, _ = environment.reset(seed=0)
    print("observation:", {key: array.shape for key, array in seen.items()})
    print("actions: acceleration in m/s^2 and steering rate in rad/s,", environment.action_space)

    total, step, done = 0.0, 0, False
    while not done and step < 50:
        speed = seen["state"][3]  # x, y, yaw, speed, acceleration, steering
        action = np.array([0.5 * (12.0 - speed), 0.0])  # keep to 12 m/s and straight on
        action = np.clip(action, environment.action_space.low, environment.action_space.high)
        seen, reward, terminated, truncated, _ = environment.step(action)
        total, step, done = total + reward, step + 1, terminated or truncated
    print(f"{step} steps, {total:.1f} m of progress, at {seen['state'][3]:.1f} m/s in the end")
    environment.close()


if __name__ == "__main__":
    main()
