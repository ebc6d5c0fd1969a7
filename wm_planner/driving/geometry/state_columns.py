"""Columns of a state of an agent or of the ego: x and y in m, yaw in rad, speed in m/s."""

X, Y, YAW, SPEED = range(4)
