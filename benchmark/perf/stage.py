"""A measured stage of the road, and how times are taken: medians over rounds in which what is compared takes turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Measured = Callable[[int], float]
"""Does some work in a round, whose number it is given, and answers with the seconds that one item took."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage costs, and what the part of it costs that no code of this project could save.

    Attributes:
        name: which stage.
        on: what it was given, and how much of it ("720p").
        unit: what is counted ("frames").
        items: how many of them each round went through.
        seconds: for one item, the median of all rounds.
        floor: in words, what the floor is.
        floor_seconds: for one item of the floor, likewise.
    """

    name: str
    on: str
    unit: str
    items: int
    seconds: float
    floor: str
    floor_seconds: float

    @property
    def per_second(self) -> float:
        """Items."""
        return 1 / self.seconds

    @property
    def of_floor(self) -> float:
        """Share of the floor's speed that the stage reaches; 1 is all of it. Above 1 is the noise of the machine."""
        return self.floor_seconds / self.seconds


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        rounds: how often each stage is timed, after one round that is not counted.
        patience: seconds after which no further round is begun.
        batch: images that the network is given at once.
        heights: of the frames in which faces are searched, in pixels.
        scene: frames of each scene.
        video: frames of the video, of which every eighth is wanted.
        faces: stored crops, a multiple of 4.
        batches: that the loader makes in a round, times its processes.
        block: seconds of training steps in a round, of which there is at least one.
        scores: frames of the score table.
        resamples: of the bootstrap in a round.
    """

    rounds: int = 5
    patience: float = 75.0
    batch: int = 8
    heights: tuple[int, ...] = (720, 1080)
    scene: int = 32
    video: int = 96
    faces: int = 32
    batches: int = 24
    block: float = 3.0
    scores: int = 100_000
    resamples: int = 250


FULL = Scale()
QUICK = Scale(rounds=2, patience=15.0, batch=4, video=48, faces=16, batches=12, block=1.0, resamples=50)


def timed(work: Callable[[int], object], items: int, device: torch.device | None = None) -> Measured:
    """Measures some work on the clock; work on a GPU counts until the GPU is done.

    Args:
        work: is given the round's number.
        items: how many it goes through each time.
        device: where it is done, if not on the CPU.
    """

    def measured(number: int) -> float:
        wait_for(device)
        started = time.perf_counter()
        work(number)
        wait_for(device)
        return (time.perf_counter() - started) / items

    return measured


def medians(variants: Mapping[str, Measured], scale: Scale) -> dict[str, float]:
    """Seconds for an item of each variant: the median of some rounds, in each of which all take their turn.

    What slows the machine down for a while then slows all of them. A first round warms up and is not counted; a slow
    machine gets fewer rounds, but one at least.
    """
    seen: list[dict[str, float]] = []
    started = time.monotonic()
    while len(seen) < 2 or (len(seen) <= scale.rounds and time.monotonic() - started < scale.patience):
        seen.append({name: measured(len(seen)) for name, measured in variants.items()})
    return {name: statistics.median(times[name] for times in seen[1:]) for name in variants}


def wait_for(device: torch.device | None) -> None:
    """Let a GPU finish what it was given."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
