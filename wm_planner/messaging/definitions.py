"""The `.msg` texts of the message types that ROS 2's own packages do not have."""

OWN = {
    "NamedArray": """
string name
string dtype            # numpy's name: float32, uint8, ...
uint32[] shape
uint8[] data            # little-endian, row-major
""",
    "Latent": """
std_msgs/Header header  # stamp of the observation
uint64 goal_id          # the goal that it encodes, or that was pursued; 0 for none; resets the warm start
NamedArray[] arrays
float32 surprise        # NaN when unknown
uint64 episode_id       # of /episode, 0 for none; resets the warm start, as goal_id does
uint32[] steps          # of a goal with sub-goals: one per row of the arrays, see Goal
""",
    "Goal": """
std_msgs/Header header
uint64 id
string[] cameras        # one name per picture; of sub-goals, pursued in order, the names come again
sensor_msgs/Image[] pictures
geometry_msgs/Pose[] pose   # none or one
nav_msgs/Path route
NamedArray[] states     # goal values of physical quantities, by name
string text             # an instruction; empty for none
uint32[] steps          # control steps for each sub-goal and the goal, 0 for no limit; empty for one goal
""",
    "Signal": """
std_msgs/Header header
NamedArray array        # its name is that of the measured quantity
""",
    "Plan": """
std_msgs/Header header  # stamp of the observation that was planned from
uint64 id
string[] action_names
string[] action_units
uint32 horizon
float32[] actions       # (H, A), row-major
float64 dt_s
uint32 latency_steps    # how many of them will have passed when the plan arrives
uint32 execute_steps    # how many to execute before the next plan
bool fallback
""",
    "Action": """
std_msgs/Header header  # stamp of the state that it was computed from
string[] names          # of the components of an action, as in the plan
string[] units
float32[] values        # what was carried out, after limits and holds
bool holding            # nothing of the plan was carried out: the robot holds or brakes
""",
    "PlanInfo": """
std_msgs/Header header
uint64 plan_id
uint64 goal_id
float64 cost
string[] term_names
float64[] term_values   # unweighted
float64 violation       # sum of the excesses of limited terms over their limits
float32[] spread
uint32 iterations
uint32 evaluations
float64 elapsed_s
float64 input_age_s
bool deadline_hit
bool fallback
uint64 seed
string reason           # why it is a fallback; empty if it is not
""",
    "Episode": """
std_msgs/Header header
uint64 id
uint64 seed
string phase            # started | running | ended | finished
uint32 step
float64 distance        # to the goal, in metres; NaN when unknown
bool success
string reason
float64[] goal_position # metres
float64 total_reward    # since the start of the episode; NaN where the task has no reward
""",
    "Objects": """
std_msgs/Header header
int64[] ids
string[] kinds          # car, pedestrian, ...: CommonRoad's names
float64[] sizes         # (A, 2), row-major: length and width of the boxes, metres
float64[] states        # (A, 4), row-major: x, y [m] of the box's centre, yaw [rad], v [m/s] along yaw
uint32 horizon          # steps of the forecasts, 0 for none
float64[] forecasts     # (A, H, 4), row-major: row h is the state (h + 1) steps of the map later
""",
    "Map": """
std_msgs/Header header
string commonroad       # the scenario without agents, CommonRoad XML 2020a; its step is that of /objects
NamedArray[] areas      # (P, 2) float64, metres: drivable polygons in addition to its lanes
float64[2] ego_size     # length and width, metres
""",
}

ACKERMANN = {
    "AckermannDrive": """
float32 steering_angle          # of the front wheel, rad, positive to the left
float32 steering_angle_velocity # rad/s, 0 for as quickly as possible
float32 speed                   # m/s
float32 acceleration            # m/s^2, 0 for as quickly as possible
float32 jerk                    # m/s^3, 0 for as quickly as possible
""",
    "AckermannDriveStamped": """
std_msgs/Header header
ackermann_msgs/AckermannDrive drive
""",
}
