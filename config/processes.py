"""The processes that torchrun starts for one job: which of them this is, and what they tell each other."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from config.errors import InputError

T = TypeVar("T")
# Between two meetings one process may be busy with a file; one that is away for longer is lost.
PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Group:
    """This process among those that work on the same job; by default it is alone.

    What the methods exchange goes through torch.distributed's default group, so that all processes must call the same
    methods in the same order. Alone, there is nobody to wait for.

    Attributes:
        rank: number of this process, from 0.
        size: how many processes there are.
        local_rank: number of this process on its machine, which is also the number of its GPU.
        local_size: how many processes there are on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one process that writes files and talks to the user."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def follow(self, value: T) -> T:
        """The value of the leading process; the others wait until it has come here."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def mean(self, values: Tensor) -> Tensor:
        """Mean of each entry over the processes."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total)
        return total / self.size

    def join(self, rows: Tensor) -> Tensor:
        """The rows of all processes, of which each has as many: one of each process, then the next of each.

        Faces of a batch then stand as they would for one process alone, since shares are made in turn
        (`training.recipes.Recipe.share`).

        Args:
            rows: (n, ...) of this process.

        Returns:
            (size * n, ...), alike in all processes and without a gradient.
        """
        if self.size == 1:
            return rows.detach()
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        dist.all_gather(parts, rows.detach().contiguous())
        return torch.stack(parts, 1).flatten(0, 1)

    def align(self, module: nn.Module) -> None:
        """Give the parameters and buffers of the leading process to all."""
        if self.size > 1:
            for tensor in chain(module.parameters(), module.buffers()):
                dist.broadcast(tensor.detach(), 0)


ALONE = Group()


@contextmanager
def join(device: str) -> Iterator[Group]:
    """Work with the other processes of torchrun inside the block; without torchrun, alone.

    All leave the block together. An error ends all processes, and is told once: the process that fails first raises
    it. The others fail next, since they wait for one that is gone; they leave in silence with the exit code of an
    `InputError`.

    Args:
        device: the name that the user gave: "cpu" exchanges tensors through gloo alone; otherwise tensors of a GPU go
            through nccl.

    Raises:
        InputError: there are fewer GPUs on this machine than processes.
    """
    group = _described(os.environ)
    if group.size == 1:
        yield group
        return
    on_gpu = device != "cpu" and torch.cuda.is_available()
    store, rank, size = next(dist.rendezvous("env://"))
    try:
        if on_gpu:
            _take_gpu(group)
        backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
        yield group
        # Nobody leaves before all have done their part; nor while torch's threads still hold this one's tensors, whose
        # release after Python's end would abort the process.
        dist.barrier()
    except (Exception, KeyboardInterrupt) as error:
        if _is_first_to_fail(store):
            raise
        # At once: torch aborts a process that tidies up after an exchange that broke off.
        os._exit(130 if isinstance(error, KeyboardInterrupt) else 2)
    dist.destroy_process_group()


def _described(environment: Mapping[str, str]) -> Group:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if not all(environment.get(name, "").isdigit() for name in names):
        return ALONE
    return Group(*(int(environment[name]) for name in names))


def _take_gpu(group: Group) -> None:
    found = torch.cuda.device_count()
    if group.local_size > found:
        raise InputError(f"torchrun started {group.local_size} processes on a machine with {found} GPUs: start {found}")
    torch.cuda.set_device(group.local_rank)


def _is_first_to_fail(store: dist.Store) -> bool:
    try:
        return store.add("assay/failures", 1) == 1
    except RuntimeError:  # the process that kept the store is gone, so that it was first
        return False
