"""A program for torchrun: trains one model after another, in all processes together.

Arguments: how many processes there must be; a YAML list of the arguments of `train`, each with `stop` (the
checkpoint after which it is interrupted) and `sharded`, if wanted.
"""

import sys
from pathlib import Path

import torch
import yaml
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from wm_planner.training import loop, processes

OFTEN = 2


def shard(team, model, optimizer):
    """What accelerate's FSDP 2 does on GPUs, on the CPU: every weight is cut over the processes."""
    loss = processes._Loss(model)
    before = list(loss.parameters())
    fully_shard(loss, mesh=init_device_mesh("cpu", (team.count,)))
    cut = dict(zip(before, loss.parameters(), strict=True))
    for group in optimizer.param_groups:
        group["params"] = [cut[weight] for weight in group["params"]]
    return loss


def main(count, plan):
    assert processes.Processes().count == int(count)
    loop.LOG_EVERY, loop.CHECKPOINT_EVERY = 1, OFTEN
    spread = processes.Processes.spread
    for training in yaml.safe_load(Path(plan).read_text()):
        processes.Processes.spread = shard if training.pop("sharded", False) else spread
        stop = training.pop("stop", None)
        save = loop.RunFolder.save

        def save_and_stop(self, position, *others, stop=stop, save=save):
            save(self, position, *others)
            if position.iteration == stop:
                raise StopIteration

        loop.RunFolder.save = save_and_stop
        try:
            loop.train(**training, report=lambda progress: None)
        except StopIteration:
            torch.manual_seed(99)
        finally:
            loop.RunFolder.save = save


if __name__ == "__main__":
    main(*sys.argv[1:])
