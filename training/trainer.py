"""The loop: batches in, weights and a log out. It knows no method by name; a detector speaks through its hooks."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from rich.console import Console

from config.errors import InputError
from config.load import to_yaml
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors.base import AbstractDetector, DataDict, FitContext
from detectors.weights import save_weights
from preprocessing.reconstruction.stored import ReconstructionModel, models_to_json
from training import RECIPE
from training.checkpoint import RunFolder, load_state, open_run, save_state, unsaved_buffers
from training.data import Loader
from training.errors import TrainingError
from training.log import Display, Journal, Means, Meter, NoJournal, Rate, summary
from training.recipes import TrainingFaces
from training.step import Stepper

T = TypeVar("T")
Validate = Callable[[AbstractDetector], Mapping[str, float | None]]
LOWER_IS_BETTER = {"eer"}
RECONSTRUCTIONS = "reconstructions"
"""Under this name weights say what made the reconstructions that they learnt from (`models_from_json`)."""


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a run came to.

    Attributes:
        best: weights of the selected epoch.
        last: weights after the last epoch.
        best_epoch: the selected epoch, counted from 0.
        best_value: the selecting metric on val there, or None if there was none.
        selection: in words, how the epoch was selected.
        epochs: epochs run.
        steps: optimiser steps taken.
    """

    best: Path
    last: Path
    best_epoch: int
    best_value: float | None
    selection: str
    epochs: int
    steps: int


@dataclass(slots=True)
class Progress:
    """How far a run is: the epoch it is in, the batches of it that are done, and the optimiser steps in all."""

    epoch: int = 0
    position: int = 0
    step: int = 0


@dataclass(slots=True)
class Selection:
    """The best epoch so far by a metric on val; of equal ones the earliest, and without a metric the last."""

    metric: str
    epoch: int = -1
    value: float | None = None

    def offer(self, epoch: int, value: float | None) -> bool:
        """Take an epoch if it is better than the one held.

        Args:
            epoch: the epoch.
            value: its metric; None or not finite where it has none.
        """
        if value is not None and math.isfinite(value):
            sign = -1 if self.metric in LOWER_IS_BETTER else 1
            better = self.value is None or sign * value > sign * self.value
        else:
            value, better = None, self.value is None
        if better:
            self.epoch, self.value = epoch, value
        return better

    @property
    def words(self) -> str:
        """How the epoch held was selected."""
        if self.value is None:
            return f"last epoch, because validation gave no {self.metric}"
        return f"best {self.metric} on val, epoch {self.epoch + 1}"


def fit(
    detector: AbstractDetector,
    faces: TrainingFaces,
    config: DetectorConfig,
    out: Path,
    *,
    device: str | torch.device = "cpu",
    validate: Validate | None = None,
    resume: bool = False,
    keep_epochs: bool = False,
    log_every: int = 50,
    save_seconds: float = 600,
    console: Console | None = None,
    group: Group = ALONE,
    reconstructions: Mapping[str, ReconstructionModel] | None = None,
) -> FitResult:
    """Train a detector for exactly `config.nEpochs` epochs.

    On one device the result depends on configuration, faces and the detector's first weights alone: a run that was
    killed and resumed ends with the same weights (CPU: bit for bit) and the same log but for times. The seed is
    `config.manualSeed`; torch's own generator is left as it was found. The detector ends with the last weights.

    Several processes call this together. `config.train_batchSize` is their joint batch, of which each takes its share;
    the steps, the log and the weights are those of one process, but for rounding, for what a network computes over its
    own share (batch norm's statistics), and for the random numbers that it draws (dropout). Hooks are called in each
    process; what `on_epoch_start` and `on_epoch_end` make of the tensors counts in the leading process, which alone
    writes files and lines. A run may be resumed by another number of processes; those that were not there before
    draw their random numbers from (seed, rank).

    Args:
        detector: what to train; moved to `device`.
        faces: the training faces.
        config: batch recipe and size, augmentation, optimiser, schedule, precision, epochs, selecting metric, workers.
        out: folder of the run: config.yaml, log.jsonl, best and last weights, and state.pt to resume from. All
            processes must see it.
        device: where to train.
        validate: metrics of the detector on the source's val split, called after each epoch; a metric that val cannot
            give is None or absent. Without it the last epoch is selected. It must answer the same in each process.
        resume: go on with the run in `out`, if there is one.
        keep_epochs: keep the weights of every epoch, in the folder `epochs`.
        log_every: a line in the log every so many steps.
        save_seconds: the state is saved after each epoch, and within an epoch when so many seconds have passed.
        console: where progress is shown; default stderr.
        group: the processes that train together.
        reconstructions: what made those that fakes are made of, by kind; the weights' files say it.

    Raises:
        InputError: `out` holds another run or cannot be written, or a setting does not fit device, faces or group.
        TrainingError: a loss became infinite or NaN, or a face cannot be used; what was saved before stays.
    """
    device = torch.device(device)
    folder = RunFolder(out)
    if group.leads:
        open_run(out, config, resume)
    group.follow("the folder is there")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.manualSeed)
        with Display(console if group.leads else Console(quiet=True), config.nEpochs) as display:
            run = Run(detector, faces, config, folder, device, group, display, reconstructions)
            journal = Journal(folder.journal, run.journal_size, run.progress.step) if group.leads else NoJournal()
            try:
                while run.progress.epoch < config.nEpochs:
                    run.train_epoch(journal, log_every, save_seconds)
                    run.close_epoch(journal, validate, keep_epochs)
                display.line(f"selected: {run.selection.words}")
            finally:
                journal.close()
    chosen = run.selection
    return FitResult(
        folder.best, folder.last, chosen.epoch, chosen.value, chosen.words, run.progress.epoch, run.progress.step
    )


class Run:
    """All that changes in the course of training, and how it is saved and restored.

    Goes on from the folder's state if there is one.
    """

    def __init__(
        self,
        detector: AbstractDetector,
        faces: TrainingFaces,
        config: DetectorConfig,
        folder: RunFolder,
        device: torch.device,
        group: Group,
        display: Display,
        reconstructions: Mapping[str, ReconstructionModel] | None = None,
    ) -> None:
        self.detector = detector
        self.config = config
        self.folder = folder
        self.device = device
        self.group = group
        self.display = display
        self.progress = Progress()
        self.selection = Selection(config.metric_scoring)
        self.meter = Meter(group)
        self.journal_size = 0
        self.generator = torch.Generator().manual_seed(config.manualSeed)
        self._faces_sha256 = faces.sha256
        self._reconstructions = models_to_json(reconstructions) if reconstructions else ""
        recipe = RECIPE[config.dataset_type](faces, config)
        self.loader = Loader(recipe, config.manualSeed, config.workers, device, group)
        detector.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        is_resumed = folder.state.is_file()
        epochs, generator = config.nEpochs, self.generator
        detector.on_fit_start(
            FitContext(device, epochs, self.all_batches, generator, group, is_resumed, recipe.methods)
        )
        self.stepper = Stepper(detector, config, device, group)
        if group.rank:
            own = _seed_of(config.manualSeed, group.rank)
            torch.manual_seed(own)
            self.generator.manual_seed(own)
        if is_resumed:
            self._restore(load_state(folder.state))
        if len(set(group.gather(astuple(self.progress)))) > 1:
            raise InputError(f"{folder.path}: not all processes see the same run; the folder must be on a shared disk")

    def train_epoch(self, journal: Journal | NoJournal, log_every: int, save_seconds: float) -> None:
        """All steps that the current epoch still has."""
        progress, accumulate = self.progress, self.config.accumulate
        self.detector.train()
        if progress.position == 0:
            self.detector.on_epoch_start(progress.epoch)
        self.stepper.start_epoch()
        batches = self.loader.epoch(progress.epoch, progress.position)
        self.display.start_epoch(progress.epoch, progress.position + len(self.loader), progress.position)
        rate, saved = Rate(), time.monotonic()
        for group in _groups(batches, accumulate):
            losses, metrics = self.stepper.step(group)
            self.meter.add(progress.step + 1, losses, metrics)
            self.detector.after_step(progress.step)
            progress.step += 1
            progress.position += len(group)
            self.display.advance(len(group))
            rate.add(self.group.size * sum(len(batch["label"]) for batch in group))
            if progress.step % log_every == 0:
                self.meter.flush()
                values = {**self.meter.window(), "lr": self.stepper.lr, "img/s": rate.take()}
                journal.write("step", progress.step, {"epoch": progress.epoch, **values})
                self.display.step(progress.epoch, progress.step, values)
            if self.group.follow(time.monotonic() - saved >= save_seconds):
                self.save(journal)
                saved = time.monotonic()

    def close_epoch(self, journal: Journal | NoJournal, validate: Validate | None, keep_epochs: bool) -> None:
        """Hooks, validation, selection, schedule, log and checkpoints after the last step of an epoch."""
        progress = self.progress
        self._check_finite()
        self.detector.on_epoch_end(progress.epoch)
        self.group.align(self.detector)
        metrics = dict(validate(self.detector)) if validate is not None else {}
        values: Means = {**self.meter.epoch(), "lr": self.stepper.lr}
        improved = self.selection.offer(progress.epoch, metrics.get(self.config.metric_scoring))
        if improved:
            self._save_weights(self.folder.best)
        self._save_weights(self.folder.last)
        if keep_epochs:
            self._save_weights(self.folder.weights_of(progress.epoch))
        val = {f"val/{name}": None if value is None else float(value) for name, value in metrics.items()}
        journal.write("epoch", progress.step, {"epoch": progress.epoch, **values, **val, "selected": improved})
        mark = "  *" if improved and self.selection.value is not None else ""
        self.display.line(f"epoch {progress.epoch + 1}/{self.config.nEpochs}  {summary({**values, **val})}{mark}")
        self.stepper.scheduler.step()
        progress.epoch, progress.position = progress.epoch + 1, 0
        self.save(journal)

    def save(self, journal: Journal | NoJournal) -> None:
        """Write the state that a resumed run goes on from: one for all processes, with the random numbers of each."""
        self._check_finite()
        rng = {"torch": torch.get_rng_state(), "context": self.generator.get_state()}
        if self.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.device)
        rngs = self.group.gather(rng)
        if not self.group.leads:
            return
        state = {
            "faces": self._faces_sha256,
            "reconstructions": self._reconstructions,
            "progress": asdict(self.progress),
            "selection": asdict(self.selection),
            "meter": self.meter.state_dict(),
            "journal": journal.size,
            "model": self.detector.state_dict(),
            "buffers": unsaved_buffers(self.detector),
            "stepper": self.stepper.state_dict(),
            "rng": rngs,
        }
        save_state(state, self.folder.state)

    def all_batches(self, epoch: int = 0) -> Iterator[DataDict]:
        """Those of an epoch with all shares, so that all processes change the network alike; how many is shown."""
        batches = self.loader.epoch(epoch, everything=True)
        return self.display.look(epoch, batches, len(self.loader))

    def _check_finite(self) -> None:
        """Before anything is written: all losses so far, and the weights they led to, are finite."""
        self.meter.flush()
        if not all(torch.isfinite(parameter).all() for parameter in self.detector.parameters()):
            raise TrainingError(f"training stopped: at step {self.progress.step} the weights became infinite or NaN")

    def _restore(self, state: Mapping[str, Any]) -> None:
        if state["faces"] != self._faces_sha256:
            raise InputError(f"{self.folder.path} was trained on other faces: choose another folder")
        if state.get("reconstructions", "") != self._reconstructions:
            raise InputError(f"{self.folder.path} was trained on other reconstructions: choose another folder")
        self.progress = Progress(**state["progress"])
        if self.progress.position:
            self.detector.on_epoch_start(self.progress.epoch)  # for what it sets up; tensors are then put back
        self.selection = Selection(**state["selection"])
        self.meter.load_state_dict(state["meter"])
        self.journal_size = state["journal"]
        self.detector.load_state_dict(state["model"])
        buffers = unsaved_buffers(self.detector)
        for name, saved in state.get("buffers", {}).items():
            buffers[name].copy_(saved)
        self.stepper.load_state_dict(state["stepper"])
        if self.group.rank < len(state["rng"]):
            rng = state["rng"][self.group.rank]
            torch.set_rng_state(rng["torch"])
            self.generator.set_state(rng["context"])
            if "cuda" in rng:
                torch.cuda.set_rng_state(rng["cuda"], self.device)

    def _save_weights(self, path: Path) -> None:
        if not self.group.leads:
            return
        about = {"detector": self.config.model_name, "epoch": str(self.progress.epoch), "config": to_yaml(self.config)}
        if self._reconstructions:
            about[RECONSTRUCTIONS] = self._reconstructions
        save_weights(self.detector, path, about)


def _seed_of(seed: int, rank: int) -> int:
    """The seed of a process that does not lead, so that what is drawn differs from share to share of a batch."""
    return int(np.random.SeedSequence(seed, spawn_key=(rank,)).generate_state(1, np.uint64)[0])


def _groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive items in lists of `size`; the last may be shorter."""
    rest = iter(items)
    while group := list(islice(rest, size)):
        yield group
