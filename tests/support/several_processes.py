"""A program for torchrun: trains several models, one after the other, in all processes together.

Arguments: the expected number of processes; a YAML file with a list of arguments for `train`, each optionally
with `stop` (the checkpoint after which it is interrupted) and `sharded`.
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
    """Shard every weight over the processes on the CPU, as accelerate's FSDP 2 does on GPUs."""
    loss = processes._Loss(model)
    before = list(loss.parameters())
    fully_shard(loss, mesh=init_device_mesh("cpu", (team.count,)))
    sharded = dict(zip(before, loss.parameters(), strict=True))
    for group in optimizer.param_groups:
        group["params"] = [sharded[weight] for weight in group["params"]]
    return loss


def main(count, plan):
    assert processes.Processes().count == int(count)
    loop.LOG_EVERY, loop.CHECKPOINT_EVERY = 1, OFTEN
    prepare = processes.Processes.prepare
    for training in yaml.safe_load(Path(plan).read_text()):
        processes.Processes.prepare = shard if training.pop("sharded", False) else prepare
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
