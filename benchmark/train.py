"""`assay train`: a detector from its configuration and stored faces to a run folder with a record."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmark.loading import device_named, loaders
from benchmark.plugins import PluginFile
from config.files import write_text
from config.load import YAML, load_config
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.base import AbstractDetector
from evaluation.metrics import binary_metrics
from evaluation.protocol import OURS, Protocol
from evaluation.scores import Environment, environment, git_commit, read_record
from evaluation.scoring import score_faces
from preprocessing.reconstruction.stored import ReconstructionModel
from preprocessing.rows import splits_of
from preprocessing.samples import FaceSet, open_faces
from training import RECIPE
from training.checkpoint import RunFolder
from training.trainer import FitResult, fit

log = logging.getLogger(__name__)
RECORD = "record.json"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """How a training run came about, beside its configuration: record.json of the run folder.

    Attributes:
        detector: registered name.
        initialisation: what the weights started from: an ImageNet file and its hash, or "random".
        protocol: "corrected", or with which of DeepfakeBench's quirks (evaluation.protocol).
        train_sha256: hash of the manifest rows that were trained on; val_sha256 of those selected on, or None.
        reconstructions: what made those that fakes were made of, by kind; empty where there are none.
        selection: in words, how the epoch was selected; best_epoch counts from 0.
        best_value: the selecting metric there, or None.
        steps: optimiser steps in all.
        device: where it ran; processes: how many trained together.
        wall_seconds: of this call; a resumed run has only its last part.
        environment: software and hardware.
        git_commit: of this project.
        plugin: the plugin file that defines the detector, and its hash; None if no plugin does.
    """

    detector: str
    initialisation: str
    protocol: str
    train_sha256: str
    reconstructions: dict[str, ReconstructionModel]
    val_sha256: str | None
    selection: str
    best_epoch: int
    best_value: float | None
    steps: int
    device: str
    processes: int
    wall_seconds: float
    environment: Environment
    git_commit: str | None
    plugin: PluginFile | None = None

    @classmethod
    def read(cls, path: Path) -> "RunRecord":
        """Read a record back.

        Raises:
            InputError: the file is missing, is not JSON, or is not a run record.
        """
        return read_record(cls, path, "run record")


def run_folder_of(scores: Path) -> Path | None:
    """The run folder that a score table lies in, at any depth; None if it lies in none that has a record."""
    inside = (folder for folder in scores.resolve().parents if (folder / RECORD).is_file())
    return next((folder for folder in inside if RunFolder(folder).config.is_file()), None)


def training_faces(config: DetectorConfig, data: Path, profile: str = "dfb", protocol: Protocol = OURS) -> FaceSet:
    """The faces that a detector is trained on, with what its batch recipe needs of them.

    Args:
        config: of the detector.
        data: folder of stores and manifests.
        profile: preprocessing profile.
        protocol: of its quirks `first_frames` is heeded.

    Raises:
        InputError: no such batch recipe, or as for `preprocessing.samples.open_faces`.
    """
    recipe = RECIPE[config.dataset_type]
    return open_faces(
        data,
        config.train_dataset,
        "train",
        profile=profile,
        frames=config.frame_num.train,
        first_frames=protocol.first_frames,
        compression=config.compression,
        with_landmark=config.with_landmark or recipe.needs_landmark,
        with_mask=config.with_mask and recipe.stored_mask,
        labels=recipe.labels,
    )


def images_of_an_epoch(faces: FaceSet, config: DetectorConfig) -> int:
    """How many images an epoch of training shows the network.

    Args:
        faces: what is trained on (`training_faces`).
        config: of the detector.
    """
    recipe = RECIPE[config.dataset_type](faces, config)
    return recipe.members * sum(map(len, recipe.batches(np.random.default_rng(0))))


def train_detector(
    name: str,
    data: Path,
    out: Path | None = None,
    *,
    train_sets: Sequence[str] | None = None,
    profile: str = "dfb",
    protocol: Protocol = OURS,
    overrides: Sequence[str] = (),
    resume: bool = False,
    keep_epochs: bool = False,
    device: str = "auto",
    workers: int | None = None,
    console: Console,
    group: Group = ALONE,
) -> FitResult:
    """`assay train`: train a detector on the train split, choose the epoch on the val split of the same sets.

    Where these have no val split, as DF40's, or one without real or without fake, the last epoch is kept.

    Args:
        name: a detector, or a YAML file.
        data: folder of stores and manifests.
        out: the run folder; by default `default_folder`.
        train_sets: preprocessed data sets; by default those of the configuration.
        profile: preprocessing profile.
        protocol: of its quirks `first_frames` is heeded, and `selected_on_test` keeps every epoch to select from.
        overrides: assignments to the configuration.
        resume: go on with the run in `out`.
        keep_epochs: keep the weights of every epoch.
        device: where to train.
        workers: reading processes; None takes the configuration's, but leaves a core to the loop.
        console: where progress is shown.
        group: the processes that train together (config.processes.join).
    """
    config = load_config(DetectorConfig, name, overrides)
    readers = loaders(workers, config, group)
    config = config.model_copy(update={"train_dataset": list(train_sets or config.train_dataset), "workers": readers})
    detector = build_detector(config)
    plugin = PluginFile.of(type(detector))
    train_faces = training_faces(config, data, profile, protocol)
    reconstructions = train_faces.whole_reconstructions(RECIPE[config.dataset_type].reconstructed_by(config))
    val_faces = validation_faces(config, data, profile, protocol)
    on = device_named(device, group)

    def validate(detector: AbstractDetector, faces: FaceSet) -> dict[str, float | None]:
        return asdict(binary_metrics(*score_faces(detector, faces, config, on, readers, group)))

    judged = f"validate on {len(val_faces)}" if val_faces else "no val split with real and fake: the last epoch is kept"
    console.print(
        f"train {config.model_name} on {len(train_faces)} faces of {', '.join(config.train_dataset)}, {judged}, "
        f"{config.nEpochs} epochs on " + (f"{group.size} x {on.type}" if group.size > 1 else str(on)),
        highlight=False,
    )
    for label in set(RECIPE[config.dataset_type].labels).difference(train_faces.labels.tolist()):
        log.warning("no face to train on is %s", ("real", "fake")[label])
    started = time.monotonic()
    folder = out or default_folder(name, config)
    result = fit(
        detector,
        train_faces,
        config,
        folder,
        device=on,
        validate=partial(validate, faces=val_faces) if val_faces else None,
        resume=resume,
        keep_epochs=keep_epochs or protocol.selected_on_test,
        console=console,
        group=group,
        reconstructions=reconstructions,
    )
    if not group.leads:
        return result
    record = RunRecord(
        detector=config.model_name,
        protocol=protocol.name,
        initialisation=detector.initialisation,
        plugin=plugin,
        train_sha256=train_faces.sha256,
        reconstructions=reconstructions,
        val_sha256=val_faces.sha256 if val_faces else None,
        selection=result.selection,
        best_epoch=result.best_epoch,
        best_value=result.best_value,
        steps=result.steps,
        device=str(on),
        processes=group.size,
        wall_seconds=time.monotonic() - started,
        environment=environment(),
        git_commit=git_commit(),
    )
    write_text(folder / RECORD, json.dumps(asdict(record), indent=2) + "\n")
    return result


def default_folder(name: str, config: DetectorConfig) -> Path:
    """Where a run goes without `out`: a shipped detector's variants lie beside it, each in a folder of its own.

    Args:
        name: a shipped detector, a YAML file, or a variant of either; of a file the detector's name counts.
        config: what it says.
    """
    given = Path(name)
    parts: tuple[str, ...] = given.parts
    if given.suffix in YAML:
        parts = (config.model_name,)
    elif given.parent.suffix in YAML:
        parts = (config.model_name, given.name)
    return Path("results/runs", "_".join(parts))


def validation_faces(
    config: DetectorConfig, data: Path, profile: str = "dfb", protocol: Protocol = OURS
) -> FaceSet | None:
    """The faces that the epoch is selected on, or None without a val split of both classes; as `training_faces`."""
    names = [name for name in config.train_dataset if "val" in splits_of(data, name, profile)]
    if not names:
        return None
    frames, first = config.frame_num.test, protocol.first_frames
    faces = open_faces(
        data, names, "val", profile=profile, frames=frames, first_frames=first, compression=config.compression
    )
    return faces if len(set(faces.labels.tolist())) == 2 else None
