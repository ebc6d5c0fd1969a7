"""The entries that SpriteYard adds to the registries of the core; see `wm_planner.plugins`."""

ENTRIES = {
    "simulator": {
        "sprites": "wm_planner.sprites.simulation.simulator:SpriteSimulator",
    },
    "simulator adapter": {
        "sprites": "wm_planner.sprites.bridges.simulator_adapter:SpriteAdapter",
    },
    "explorer": {
        "sprites": "wm_planner.sprites.simulation.exploration:SpriteExplorer",
    },
}
