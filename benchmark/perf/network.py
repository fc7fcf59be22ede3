"""The network and what feeds it: the loader, training steps alone and fed by the loader, and scoring."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from torch import Tensor

from benchmark.perf.parts import Call, by_part, record_calls
from benchmark.perf.stage import Measured, Scale, Stage, medians, timed, wait_for
from config.errors import InputError
from config.processes import ALONE
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.base import AbstractDetector, DataDict, FitContext
from evaluation.prediction import inference
from preprocessing.samples import FaceSet
from training.checkpoint import RunFolder
from training.log import Display, NoJournal
from training.step import Stepper, to_device
from training.trainer import Run

Work = Callable[[], object]
MOST_CALLS = 500  # of a block
WARM_CALLS = 3  # of a network that is compiled, before it is timed


@dataclass(frozen=True, slots=True)
class Setting:
    """What is trained and scored, and where.

    Attributes:
        config: the detector's, with the batch size and the number of loading processes to be measured.
        device: where the network runs.
        scale: how much is measured.
    """

    config: DetectorConfig
    device: torch.device
    scale: Scale

    @property
    def network(self) -> str:
        """Its name, and what it is given."""
        return f"{self.config.model_name}, {self.config.train_batchSize} x {self.config.resolution} px"

    def detector(self) -> AbstractDetector:
        """The network on the device, in channels_last, with random weights."""
        detector = build_detector(self.config, pretrained=False)
        detector.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return detector

    def batch(self, detector: AbstractDetector) -> dict[str, Tensor]:
        """A random batch on the CPU, for a GPU in page-locked memory, as the loader gives it."""
        batch = detector.example_batch(self.config.train_batchSize, torch.Generator().manual_seed(0))
        return {key: value.pin_memory() for key, value in batch.items()} if self.device.type == "cuda" else batch


def measure_training(setting: Setting, faces: FaceSet, folder: Path) -> list[Stage]:
    """The loader, a training step on a batch that is there already, each of its parts, and training's own loop.

    The loop over both is `training.trainer.Run.train_epoch`, as `assay train` runs it, in its last epoch, when a method
    has warmed up. All take turns, and each is timed from the end of its first batch or step, so that neither the start
    of processes nor an empty queue counts.

    Args:
        setting: what is trained.
        faces: stored crops; they are gone through as often as needed.
        folder: the run's, in which nothing is written.
    """
    config, device, scale = setting.config, setting.device, setting.scale
    size, processes = config.train_batchSize, max(1, config.workers)
    detector = setting.detector()
    batch = setting.batch(detector)
    steps = calls_of_a_block(partial(Stepper(detector, config, device).step, [batch]), scale.block, device)
    batches = max(steps, scale.batches * processes) + 1
    # Enough also for a recipe that goes over one class alone.
    clock = _Clock(device)
    run = _Run(detector, repeated(faces, 2 * batches * size), config, RunFolder(folder), device, ALONE, clock)
    detector.on_epoch_start(config.nEpochs - 1)
    recipe, in_epoch = run.loader.sampler.recipe, len(run.loader)
    calls = record_calls(detector, partial(run.stepper.step, [batch]))
    shown = np.concatenate(recipe.batches(np.random.default_rng(0)))[: len(faces)].tolist()

    def load(number: int) -> float:
        made = run.loader.epoch(2 * number, in_epoch - batches)
        next(made)
        started = time.perf_counter()
        count = sum(1 for _ in made)
        return (time.perf_counter() - started) / (count * size)

    def load_alone() -> None:
        for index in shown:
            recipe.sample(index, np.random.default_rng(index))

    def loop(number: int) -> float:
        run.progress.epoch, run.progress.position = 2 * number + 1, in_epoch - steps - 1
        run.train_epoch(NoJournal(), log_every=50, save_seconds=float("inf"))
        return clock.seconds / (steps * size)

    ways, parts = _ways_of_a_step(run.stepper, batch, calls), _ways_of_parts(run.stepper, calls)
    found = medians(
        {
            "load": load,
            "load alone": after_the_first(load_alone, 1, len(shown) * recipe.members * processes, device),
            **{name: after_the_first(way, steps, size, device) for name, way in ways.items()},
            **{f"part {name}": after_the_first(part, steps, size, device) for name, part in parts.items()},
            "loop": loop,
        },
        scale,
    )
    network, items = setting.network, steps * size
    processes_used = f"{config.workers} process{'' if config.workers == 1 else 'es'}"
    one = "one process reads, augments and converts, without batches" + (f", over {processes}" if processes > 1 else "")
    passes = "forward and backward pass alone, without optimiser and metrics"
    shares = ", ".join(f"{name} {1000 * found[f'part {name}']:.3f} ms" for name in parts)
    more = found["step"] / found["backbone"] - 1
    on_top = f"the step takes {more:.0%} more than what of it is the backbone's"
    alone = f"forward and backward pass of each part alone, and the optimiser: {shares}; {on_top}"
    slower, slowest = "the slower of loader and train step, each alone", max(found["load"], found["step"])
    return [
        Stage("load", processes_used, "samples", (batches - 1) * size, found["load"], one, found["load alone"]),
        Stage("train step", network, "images", items, found["step"], passes, found["pass"]),
        Stage("train step by parts", network, "images", items, found["step"], alone, found["parts"]),
        Stage("load + train step", network, "images", items, found["loop"], slower, slowest),
    ]


def _ways_of_a_step(stepper: Stepper, batch: DataDict, calls: Sequence[Call]) -> dict[str, Work]:
    """A training step, its forward and backward pass alone, and all parts, or the backbone's, with the optimiser."""
    of_backbone = [call for call in calls if call.part.partition(".")[0] == "backbone"]

    def pass_alone() -> None:
        losses, _ = stepper.objective(to_device(batch, stepper.device))
        losses["overall"].backward()
        stepper.optimizer.zero_grad()

    def alone(uses: Sequence[Call]) -> None:
        for call in uses:
            call.again()
        stepper.optimizer.step()
        stepper.optimizer.zero_grad()

    return {
        "step": partial(stepper.step, [batch]),
        "pass": pass_alone,
        "parts": partial(alone, calls),
        "backbone": partial(alone, of_backbone),
    }


def _ways_of_parts(stepper: Stepper, calls: Sequence[Call]) -> dict[str, Work]:
    """Each part by itself, by its name and how often it was used."""

    def part_alone(uses: Sequence[Call]) -> None:
        for call in uses:
            call.again()
        stepper.optimizer.zero_grad()

    return {name: partial(part_alone, uses) for name, uses in by_part(calls).items()}


def measure_looking(setting: Setting) -> list[Stage]:
    """What a method computes of the batches that it looks at before training, which are there already.

    No stage if it looks at none.
    """
    detector, device = setting.detector(), setting.device
    passes = detector.passes_before_training
    if not passes:
        return []
    batch = to_device(setting.batch(detector), device)
    images = passes * setting.config.train_batchSize
    context = FitContext(device, setting.config.nEpochs, lambda epoch=0: [batch], torch.Generator())

    def prepared(number: int) -> float:
        fresh = copy.deepcopy(detector)  # which the hook may change
        return timed(lambda _: fresh.on_fit_start(context), images, device)(number)

    score = _forward(copy.deepcopy(detector).eval(), batch["image"], device, "fp32")
    ways = {"look": prepared, "score": timed(partial(_repeat, score, passes), images, device)}
    found = medians(ways, setting.scale)
    floor = "the same images scored, in fp32 and channels_last"
    return [Stage("look before training", setting.network, "images", images, found["look"], floor, found["score"])]


def measure_scoring(setting: Setting) -> list[Stage]:
    """A batch through the network as `assay evaluate` sends it: layouts and precisions beside each other."""
    detector = setting.detector().eval()
    contiguous = copy.deepcopy(detector).to(memory_format=torch.contiguous_format)
    images = setting.batch(detector)["image"].to(setting.device)
    channels_last = images.to(memory_format=torch.channels_last)
    variants = {
        "fp32 contiguous": _forward(contiguous, images, setting.device, "fp32"),
        "fp32 channels_last": _forward(detector, channels_last, setting.device, "fp32"),
        "bf16 channels_last": _forward(detector, channels_last, setting.device, "bf16"),
    }
    return _beside_each_other("score", variants, setting)


def measure_compiled(setting: Setting) -> list[Stage]:
    """Training steps and scoring in bf16 and channels_last, as they are and through torch.compile.

    Raises:
        InputError: torch cannot compile here.
    """
    config, device = setting.config.model_copy(update={"precision": "bf16"}), setting.device
    training: dict[str, Work] = {}
    scoring: dict[str, Work] = {}
    for name in ("bf16", "bf16, compiled"):
        learner, scorer = setting.detector(), setting.detector().eval()
        batch, stepper = setting.batch(learner), Stepper(learner, config, device)
        if name.endswith("compiled"):
            stepper.objective.compile()
            scorer.compile()
        images = batch["image"].to(device, memory_format=torch.channels_last)
        training[name] = partial(stepper.step, [batch])
        scoring[name] = _forward(scorer, images, device, "bf16")
        try:
            for _ in range(WARM_CALLS):
                training[name]()
                scoring[name]()
        except (RuntimeError, OSError) as error:
            raise InputError(f"--compile: torch cannot compile here: {_first_line(error)}") from error
    return _beside_each_other("train step", training, setting) + _beside_each_other("score", scoring, setting)


def _beside_each_other(kind: str, variants: Mapping[str, Work], setting: Setting) -> list[Stage]:
    """Stages of the same work done in several ways, the fastest of which is the floor."""
    calls = calls_of_a_block(next(iter(variants.values())), setting.scale.block / len(variants) / 2, setting.device)
    items = calls * setting.config.train_batchSize
    measured = {name: timed(partial(_repeat, work, calls), items, setting.device) for name, work in variants.items()}
    found = medians(measured, setting.scale)
    floor = f"the fastest of these {len(variants)} ways"
    return [
        Stage(f"{kind} {name}", setting.network, "images", items, seconds, floor, min(found.values()))
        for name, seconds in found.items()
    ]


def _forward(detector: AbstractDetector, images: Tensor, device: torch.device, precision: str) -> Work:
    """A batch on the device scored as evaluation does it."""

    def work() -> None:
        with inference(device, precision):
            detector({"image": images}, inference=True)

    return work


def after_the_first(work: Work, calls: int, items: int, device: torch.device) -> Measured:
    """Measures calls that follow on one that is not counted; each goes through so many items."""
    rest = timed(partial(_repeat, work, calls), calls * items, device)

    def measured(number: int) -> float:
        work()
        return rest(number)

    return measured


def calls_of_a_block(work: Work, seconds: float, device: torch.device) -> int:
    """How often some work, which is done twice to find out, is to be done to take about so many seconds."""
    work()
    once = timed(partial(_repeat, work, 1), 1, device)(0)
    return min(max(round(seconds / once), 1), MOST_CALLS)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _repeat(work: Work, calls: int, number: int) -> None:
    for _ in range(calls):
        work()


def repeated(faces: FaceSet, length: int) -> FaceSet:
    """A set of so many faces, the given ones over and over."""
    rows = pd.concat([faces.rows] * -(-length // len(faces)), ignore_index=True)
    return FaceSet(rows[:length], with_landmark=faces.with_landmark)


class _Run(Run):
    """Training's own, but for what a method looks at before: a batch of each pass, since `measure_looking` times it."""

    def all_batches(self, epoch: int = 0) -> Iterator[DataDict]:
        return islice(super().all_batches(epoch), 1)


class _Clock(Display):
    """Shows nothing, and notes the seconds from the end of an epoch's first step to that of its last."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(Console(quiet=True), 1)
        self._device = device
        self._first = True
        self._left = 0
        self._started = 0.0
        self.seconds = 0.0

    def start_epoch(self, epoch: int, batches: int, position: int) -> None:
        self._first, self._left = True, batches - position

    def advance(self, batches: int) -> None:
        self._left -= batches
        if self._first or not self._left:
            wait_for(self._device)
        if self._first:
            self._first, self._started = False, time.perf_counter()
        self.seconds = time.perf_counter() - self._started
