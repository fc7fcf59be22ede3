"""From a batch recipe to a stream of batches: seeded per face and epoch, the same with any number of processes."""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from config.errors import InputError
from config.processes import ALONE, Group
from preprocessing.samples import BrokenSampleError
from preprocessing.tensors import CPU, to_network
from preprocessing.workers import settle, worker_context
from training.errors import TrainingError
from training.recipes import Indices, Recipe, TrainingSample

Draw = tuple[int, int, int]
"""Epoch, index of a face, and how often the epoch has shown it before."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception of a worker on its way to the loop: the sentence for the user, and where it came from."""

    message: str
    details: str


class EpochSampler(Sampler[list[Draw]]):
    """The batches of one epoch, as draws; which epoch, and from which batch on, is set before iterating.

    The order follows from seed and epoch alone, so a resumed run sees what the interrupted one would have seen. Of
    several processes each takes its share of every batch; what a draw looks like does not depend on who takes it.

    Args:
        recipe: cuts an epoch into batches.
        seed: of the run, not negative.
        group: the processes that share the batches.

    Raises:
        InputError: the batches cannot be shared evenly.
    """

    def __init__(self, recipe: Recipe, seed: int, group: Group = ALONE) -> None:
        self.recipe = recipe
        self.seed = seed
        self.group = group
        self.set_epoch(0)
        recipe.share(range(len(self._batches[0])), group.rank, group.size)

    def set_epoch(self, epoch: int, position: int = 0, everything: bool = False) -> None:
        """Go to an epoch, and leave out its first `position` batches.

        Args:
            epoch: which one.
            position: how many batches are left out.
            everything: whether all shares of a batch are given one after the other, not only the own one.
        """
        self.epoch = epoch
        self.position = position
        self.ranks = range(self.group.size) if everything else [self.group.rank]
        # A spawn key sets the order's random numbers apart from those of `sample_rng`.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch,)))
        self._batches: list[Indices] = self.recipe.batches(rng)

    def __len__(self) -> int:
        return (len(self._batches) - self.position) * len(self.ranks)

    def __iter__(self) -> Iterator[list[Draw]]:
        shown = np.zeros(len(self.recipe.faces), np.int32)
        for number, batch in enumerate(self._batches):
            draws: list[Draw] = []
            for index in batch.tolist():
                draws.append((self.epoch, index, int(shown[index])))
                shown[index] += 1
            if number >= self.position:
                yield from (list(self.recipe.share(draws, rank, self.group.size)) for rank in self.ranks)


class TrainingSet(Dataset[TrainingSample | Failure]):
    """The samples behind draws. It has no state, so that worker processes need not be told of a new epoch."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe = recipe
        self.seed = seed

    def __getitem__(self, draw: Draw) -> TrainingSample | Failure:
        try:
            return self.recipe.sample(draw[1], sample_rng(self.seed, draw))
        except InputError as error:
            return Failure(str(error), traceback.format_exc())
        except BrokenSampleError as error:
            return Failure(f"training face {draw[1]} cannot be used: {error}", traceback.format_exc())
        except Exception as error:  # noqa: BLE001 - whatever a worker dies of must reach the loop as a sentence
            message = f"training face {draw[1]} cannot be used: {type(error).__name__}: {error}"
            return Failure(message, traceback.format_exc())

    def collate(self, samples: Sequence[TrainingSample | Failure]) -> dict[str, Tensor] | Failure:
        """The batch of some samples, or the first failure among them."""
        whole = [sample for sample in samples if not isinstance(sample, Failure)]
        failures = [sample for sample in samples if isinstance(sample, Failure)]
        return failures[0] if failures else self.recipe.collate(whole)


class Loader:
    """Batches of an epoch, made by worker processes or in this one.

    Args:
        recipe: what a batch is made of.
        seed: of the run.
        workers: worker processes; 0 makes batches in this process, when they are asked for. They are kept from epoch
            to epoch.
        device: where the batches are wanted; a GPU copies them from page-locked memory, without waiting.
        group: the processes that share the batches.
    """

    def __init__(
        self, recipe: Recipe, seed: int, workers: int = 0, device: torch.device = CPU, group: Group = ALONE
    ) -> None:
        self.device = device
        self.sampler = EpochSampler(recipe, seed, group)
        samples = TrainingSet(recipe, seed)
        self._loader = DataLoader(
            samples,
            batch_sampler=self.sampler,
            collate_fn=samples.collate,
            num_workers=workers,
            multiprocessing_context=worker_context() if workers else None,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
            worker_init_fn=settle,
            generator=Generator(),  # torch's own generator stays as the loop left it
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int, position: int = 0, everything: bool = False) -> Iterator[dict[str, Tensor]]:
        """The batches of an epoch from the `position`-th on; `len` of the loader is then their number.

        They are on the device, as detectors get them (`to_network`). Of several processes each gets its share of each
        batch, or, with `everything`, all get all shares in turn.

        Raises:
            TrainingError: a face cannot be used, or a worker process died.
        """
        self.sampler.set_epoch(epoch, position, everything)
        return self._stream()

    def _stream(self) -> Iterator[dict[str, Tensor]]:
        batches = iter(self._loader)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                raise TrainingError(
                    "a worker process that makes batches died, perhaps for want of memory: try fewer `workers`"
                ) from error
            if isinstance(batch, Failure):
                raise TrainingError(batch.message) from RuntimeError(batch.details)
            yield to_network(batch, self.sampler.recipe.config, self.device)


def sample_rng(seed: int, draw: Draw) -> np.random.Generator:
    """The generator of one draw: the same in any process and at any time."""
    return np.random.default_rng([seed, *draw])
