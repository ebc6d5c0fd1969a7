"""The types that the packages of wm_planner exchange: protocols, frozen configs and data classes.

Nothing here computes, reads files or imports a simulator, torch or ONNX Runtime. Read in this order:

1. `arrays`, `observation`, `rollout`: the data. What sensors report, its encoding, and imagined trajectories.
2. `card`: what a model expects and provides, in names, shapes, units and rates.
3. `world_model`, `context`, `cost`: what a planner minimises.
4. `simulator`, `task`, `dataset`: where episodes come from and how they are stored.

Shapes use one letter per axis: B batch, T past, H future (horizon), N candidates (samples), K elites,
A action components, S state components, D latent components, P patches.
"""
