"""What driving adds to the registries of the core, by name; see `wm_planner.plugins`."""

ENTRIES = {
    "simulator": {
        "traffic": "wm_planner.driving.simulation.simulator:DrivingSimulator",
    },
    "simulator adapter": {
        "traffic": "wm_planner.driving.bridges.simulator_adapter:TrafficAdapter",
    },
    "planning adapter": {
        "driving": "wm_planner.driving.bridges.planning_adapter:DrivingAdapter",
    },
    "controller": {
        "ackermann": "wm_planner.driving.bridges.ackermann:AckermannControl",
    },
    "explorer": {
        "traffic": "wm_planner.driving.simulation.exploration:TrafficExplorer",
    },
    "cost": {
        "traffic_goal": "wm_planner.driving.costs.traffic_model:TrafficGoal",
        "traffic_surprise": "wm_planner.driving.costs.traffic_model:TrafficSurprise",
        "collision": "wm_planner.driving.costs.rules:Collision",
        "at_fault_collision": "wm_planner.driving.costs.rules:AtFaultCollision",
        "time_to_collision": "wm_planner.driving.costs.rules:TimeToCollision",
        "drivable_area": "wm_planner.driving.costs.rules:DrivableArea",
        "driving_direction": "wm_planner.driving.costs.rules:DrivingDirection",
        "traffic_light": "wm_planner.driving.costs.rules:TrafficLight",
        "progress": "wm_planner.driving.costs.progress:Progress",
        "overspeed": "wm_planner.driving.costs.progress:Overspeed",
        "lane_keeping": "wm_planner.driving.costs.progress:LaneKeeping",
        "off_centre": "wm_planner.driving.costs.progress:OffCentre",
        "heading": "wm_planner.driving.costs.progress:Heading",
        "arrival": "wm_planner.driving.costs.progress:Arrival",
        "target_speed": "wm_planner.driving.costs.progress:TargetSpeed",
        "driving_comfort": "wm_planner.driving.costs.comfort:Comfort",
        "plan_consistency": "wm_planner.driving.costs.comfort:PlanConsistency",
        "squared_acceleration": "wm_planner.driving.costs.effort:SquaredAcceleration",
        "squared_jerk": "wm_planner.driving.costs.effort:SquaredJerk",
        "squared_yaw_rate": "wm_planner.driving.costs.effort:SquaredYawRate",
        "driving_score": "wm_planner.driving.costs.score:Score",
    },
    "driver": {
        "constant_velocity": "wm_planner.driving.planners.constant_velocity:ConstantVelocity",
        "idm": "wm_planner.driving.planners.idm:IDMPlanner",
        "frenet": "wm_planner.driving.planners.frenet:FrenetPlanner",
        "pdm_closed": "wm_planner.driving.planners.pdm_closed:PDMClosed",
        "cem": "wm_planner.driving.planners.sampling_driver:CEMDriver",
        "mppi": "wm_planner.driving.planners.sampling_driver:MPPIDriver",
    },
    "traffic agents": {
        "replay": "wm_planner.driving.traffic.agents:ReplayAgents",
        "idm": "wm_planner.driving.traffic.reactive:ReactiveAgents",
    },
    "scenario reader": {
        "commonroad": "wm_planner.driving.scenarios.readers.commonroad:read_commonroad",
        "argoverse": "wm_planner.driving.scenarios.readers.argoverse:read_argoverse",
        "scenarionet": "wm_planner.driving.scenarios.readers.scenarionet:read_scenarionet",
        "recording": "wm_planner.driving.bridges.recorded_scenarios:read_recorded_scenario",
    },
}
