"""Cells: a training run, and a test set's scores under it; each in a folder that says what decided its content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.places import features_path, perturbed_path, scores_path
from benchmark.scoring import rows_to_score, views_to_score
from benchmark.train import training_faces, validation_faces
from config.errors import InputError
from config.files import write_text
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.weights import weights_sha256
from evaluation.protocol import VERSION, Protocol
from evaluation.scores import ScoreRecord
from preprocessing.manifest import manifest_meta, manifest_sha256
from preprocessing.parts import find_source
from preprocessing.store import DECISIVE
from preprocessing.views import Suite
from training import RECIPE
from training.checkpoint import WITHOUT_EFFECT, RunFolder

CELL = "cell.json"
LETTERS_OF_HASH = 10
PRECISION = "fp32"
"""Of all score cells, so that the columns of a table are alike."""


@dataclass(frozen=True, slots=True)
class Address:
    """What decides a cell's content, as names and values that JSON can hold.

    The commit of this project is not among them: it is in the records. What changes scores raises a version instead,
    the protocol's or the detector's.
    """

    about: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Hash of it."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    @property
    def short(self) -> str:
        """The first letters of the hash, for names of folders."""
        return self.sha256[:LETTERS_OF_HASH]

    def write(self, folder: Path) -> None:
        """Declare the content of a folder finished."""
        write_text(folder / CELL, self._text())

    def is_of(self, folder: Path) -> bool:
        """Whether the folder's content was finished, and is what this address stands for."""
        path = folder / CELL
        return path.is_file() and path.read_bytes() == self._text().encode()

    @staticmethod
    def withdraw(folder: Path) -> None:
        """Declare the content of a folder unfinished, before any of it is written anew."""
        (folder / CELL).unlink(missing_ok=True)

    def _text(self) -> str:
        return json.dumps(self.about, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class TrainCell:
    """A detector, trained.

    Attributes:
        detector: a name or YAML file, as `assay train` takes it.
        overrides: assignments to its configuration.
        config: what comes of them, with the data sets that it is trained on.
        profile: preprocessing profile.
        protocol: of its quirks `first_frames` is heeded.
        data: folder of stores and manifests.
        runs: folder of all runs.
    """

    detector: str
    overrides: tuple[str, ...]
    config: DetectorConfig
    profile: str
    protocol: Protocol
    data: Path
    runs: Path

    @cached_property
    def address(self) -> Address:
        """What decides the weights.

        Raises:
            InputError: what it is trained on is not preprocessed, or lacks something.
        """
        faces = training_faces(self.config, self.data, self.profile, self.protocol)
        reconstructed = RECIPE[self.config.dataset_type].reconstructed_by(self.config)
        models = faces.whole_reconstructions(reconstructed)
        selected_on = validation_faces(self.config, self.data, self.profile, self.protocol)
        return Address(
            {
                "kind": "train",
                **_of_detector(self.config),
                "protocol": self.protocol.name,
                "faces": faces.sha256,
                "made_by": {name: _made_by(self.data, name, self.profile) for name in self.config.train_dataset},
                "reconstructions": {kind: str(model) for kind, model in models.items()},
                "selected_on": selected_on and selected_on.sha256,
            }
        )

    @property
    def folder(self) -> Path:
        """The run's folder: the detector's name and the address's hash."""
        return self.runs / f"{self.config.model_name}-{self.address.short}"

    @property
    def is_done(self) -> bool:
        """Whether the run is finished."""
        return self.address.is_of(self.folder) and RunFolder(self.folder).best.is_file()


@dataclass(frozen=True)
class ScoreCell:
    """The scores of a test set under a trained detector, clean or perturbed, with features or without.

    Attributes:
        of: the trained detector.
        test: data set.
        split: of it.
        perturb: what the crops are perturbed with; None leaves them clean.
        with_features: whether features are needed as well.
    """

    of: TrainCell
    test: str
    split: str = "test"
    perturb: Suite | None = None
    with_features: bool = False

    @cached_property
    def evaluation(self) -> Address:
        """What decides the scores, the test set and its perturbations apart.

        Raises:
            InputError: the detector is not trained yet, or as for `TrainCell.address`.
        """
        config, protocol = self.of.config, self.of.protocol
        weights = RunFolder(self.of.folder).best
        if not weights.is_file():
            raise InputError(f"{self.of.folder} holds no trained weights yet")
        return Address(
            {
                "kind": "score",
                **_of_detector(config),
                "weights": weights_sha256(weights),
                "protocol": f"{protocol.name} v{VERSION}",
                "precision": PRECISION,
            }
        )

    @cached_property
    def address(self) -> Address:
        """What decides the scores; errors as for `evaluation` and `refuse_missing`."""
        return Address(
            {
                **self.evaluation.about,
                "rows": self.rows_sha256,
                "made_by": _made_by(self.of.data, self.test, self.of.profile),
                "perturb": self._perturbed_by(),
            }
        )

    def _perturbed_by(self) -> dict[str, Any] | None:
        """What decides the pixels of the perturbed faces, beside those of the clean ones."""
        if self.perturb is None:
            return None
        views = views_to_score(self.rows, self.of.config, self.perturb)
        return {"suite": self.perturb.sha256, "stored_views": asdict(views) if views else None}

    @property
    def rows(self) -> pd.DataFrame:
        """The manifest rows that are scored, read anew.

        Raises:
            InputError: the test set is not preprocessed, or lacks the split.
        """
        of = self.of
        return rows_to_score(of.data, self.test, self.split, of.profile, of.protocol, of.config)

    @cached_property
    def rows_sha256(self) -> str:
        """Hash of these rows; errors as for `rows`."""
        return manifest_sha256(self.rows.drop(columns=["store_path"]))

    def refuse_missing(self) -> None:
        """See that what is to be scored is there: the test set's rows, and the crops of perturbed frames if need be.

        Raises:
            InputError: something is not.
        """
        rows = self.rows
        if self.perturb is not None:
            views_to_score(rows, self.of.config, self.perturb)

    @property
    def folder(self) -> Path:
        """The folder of this and other evaluations with the same weights and settings."""
        return self.of.folder / f"eval-{self.evaluation.short}"

    @property
    def scores(self) -> Path:
        """The score table."""
        if self.perturb is None:
            return scores_path(self.folder, self.test, self.split)
        return perturbed_path(self.folder, self.test, self.perturb.name, self.split)

    @property
    def is_done(self) -> bool:
        """Whether the scores with their record, and if they are needed the features, are there."""
        files = [self.scores, ScoreRecord.beside(self.scores)]
        files += [features_path(self.scores)] if self.with_features else []
        return self.address.is_of(self.scores.parent) and all(file.is_file() for file in files)


def _of_detector(config: DetectorConfig) -> dict[str, Any]:
    """What of a detector decides its weights and scores; an ImageNet file counts by its content."""
    settings = config.model_dump(mode="json", exclude=WITHOUT_EFFECT) | {"data_aug": config.data_aug.decisive}
    file = DETECTOR[config.model_name].imagenet_file(config)
    if file is not None:
        settings["pretrained"] = weights_sha256(file) if file.is_file() else config.pretrained
    return {"config": settings, "detector_version": DETECTOR[config.model_name].version}


def _made_by(data: Path, dataset: str, profile: str) -> dict[str, Any]:
    """What the pixels of a data set's crops depend on."""
    meta = manifest_meta(find_source(data, dataset, profile).manifest)
    return {entry: meta.get(entry) for entry in DECISIVE}
