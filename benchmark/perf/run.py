"""The whole of `assay perf`: material, stages in the order of the road, a table, and a file to keep."""

import json
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import cv2
import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from rich.console import Console

from benchmark.loading import device_named, loaders
from benchmark.perf.faces import measure_decoding, measure_search
from benchmark.perf.fakes import measure_fakes
from benchmark.perf.material import make_material
from benchmark.perf.network import Setting, measure_compiled, measure_looking, measure_scoring, measure_training
from benchmark.perf.perturbed import measure_perturbed
from benchmark.perf.samples import measure_batches, measure_samples
from benchmark.perf.scores import measure_metrics
from benchmark.perf.stage import FULL, Scale, Stage
from benchmark.progress import progress
from config.errors import InputError
from config.files import write_text
from config.load import load_config
from config.schema import DetectorConfig, Profile
from evaluation.scores import Environment, environment, git_commit
from evaluation.tables import Column, Table
from preprocessing.landmarks import find_predictor
from preprocessing.workers import cores
from training import RECIPE

COMPARED = {"exact": "fast", "plain": "recipe"}
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured on.

    Attributes:
        cpu: its model.
        cores: that the process may use.
        threads: of torch.
        environment: software, and the GPU if there is one.
    """

    cpu: str
    cores: int
    threads: int
    environment: Environment


@dataclass(frozen=True, slots=True)
class Measurements:
    """Everything that was measured in one run.

    Attributes:
        machine: what it ran on.
        device: where the network ran.
        detector: registered name.
        git_commit: of this project.
        scale: how much was measured.
        stages: in the order of the road.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    machine: Machine
    device: str
    detector: str
    git_commit: str | None
    scale: Scale
    stages: tuple[Stage, ...]

    def table(self) -> Table:
        """A row for each stage; what its floor is stands below."""
        columns = (
            Column("items/s", None, format=",.1f"),
            Column("ms", None, format=".3f"),
            Column("floor ms", None, format=".3f"),
            Column("of floor", None, format=".0%"),
        )
        where = f"{self.machine.cpu}, {self.machine.cores} cores, torch with {self.machine.threads} threads"
        gpu = f", {self.machine.environment.gpu}" if self.device.startswith("cuda") else ""
        return Table(
            caption=f"Speed on {where}{gpu}: medians of at most {self.scale.rounds} rounds",
            row_header="Stage",
            rows=tuple(f"{stage.name}, {stage.on} [{stage.unit}]" for stage in self.stages),
            columns=columns,
            values=tuple(
                (stage.per_second, 1000 * stage.seconds, 1000 * stage.floor_seconds, stage.of_floor)
                for stage in self.stages
            ),
            footnotes=(*self._gains(), *dict.fromkeys(f"{stage.name}, floor: {stage.floor}" for stage in self.stages)),
        )

    def write(self, path: Path) -> None:
        """Write all of it as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        write_text(path, f"{json.dumps(asdict(self), indent=2)}\n")

    @classmethod
    def read(cls, path: Path) -> "Measurements":
        """Read it back.

        Raises:
            InputError: the file is missing, or holds something else.
        """
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from None
        except ValidationError as error:
            raise InputError(f"{path} holds no measurements of assay perf: {error.errors()[0]['msg']}") from None

    def _gains(self) -> Iterator[str]:
        """How much faster this project's way is than the one that it is compared with."""
        seconds = {(stage.name, stage.on): stage.seconds for stage in self.stages}
        for (name, on), slow in seconds.items():
            work, _, way = name.rpartition(" ")
            other = COMPARED.get(way)
            fast = seconds.get((f"{work} {other}", on))
            if fast:
                yield f"{work}, {on}: {other} is {slow / fast:.3g} times as fast as {way}"


def run_perf(
    detector: str,
    *,
    batch: int | None = None,
    size: int | None = None,
    device: str = "auto",
    compiled: bool = False,
    workers: int | None = None,
    scale: Scale = FULL,
    console: Console,
) -> Measurements:
    """Measure every stage of the road on this machine.

    Args:
        detector: a detector, or a YAML file; its weights are random.
        batch: images of a batch; by default the scale's, or a little less if samples have a number of images that does
            not divide it.
        size: pixels of the network's input; by default the configuration's.
        device: where the network runs.
        compiled: also measure torch.compile, in bf16.
        workers: loading processes; None takes as many as `assay train` would.
        scale: how much is measured.
        console: where progress is shown.

    Raises:
        InputError: an unknown detector or device, or torch cannot compile here.
    """
    changes = ["pretrained=null", *([f"resolution={size}"] if size else [])]
    config = load_config(DetectorConfig, detector, changes)
    members = RECIPE[config.dataset_type].members
    images = batch or max(scale.batch // members, 1) * members
    config = config.model_copy(update={"train_batchSize": images, "workers": loaders(workers, config)})
    profile, predictor = load_config(Profile, "dfb"), find_predictor()
    setting = Setting(config, device_named(device), scale)
    stages: list[Stage] = []
    with (
        tempfile.TemporaryDirectory(prefix="assay-perf-") as name,
        _one_thread_of_opencv(),
        progress("measure", console) as report,
    ):
        folder = Path(name)
        material = make_material(folder, config, profile, predictor, scale)
        parts = [
            partial(measure_decoding, material.video, scale.heights[0], scale),
            *(partial(measure_search, frames, profile, predictor, scale) for frames in material.scenes.values()),
            partial(measure_samples, material.faces["png"], config, folder, scale),
            partial(measure_batches, material.faces, config, scale),
            partial(measure_fakes, material.faces["png"], scale),
            partial(measure_looking, setting),
            partial(measure_training, setting, material.faces["png"], folder / "run"),
            partial(measure_scoring, setting),
            partial(measure_perturbed, setting, material.faces["png"], folder),
            *([partial(measure_compiled, setting)] if compiled else []),
            partial(measure_metrics, scale),
        ]
        for done, part in enumerate(parts, 1):
            stages += part()
            report(done, len(parts))
    machine = Machine(_cpu(), cores(), torch.get_num_threads(), environment())
    return Measurements(machine, str(setting.device), config.model_name, git_commit(), scale, tuple(stages))


@contextmanager
def _one_thread_of_opencv() -> Iterator[None]:
    """As in the processes that crop and load."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _cpu() -> str:
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(models), platform.processor() or platform.machine())
