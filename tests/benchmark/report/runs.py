"""Small runs made by hand, whose metrics are known, for the tests of the report."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.places import CONFIG, features_path, perturbed_path
from benchmark.train import RECORD, RunRecord
from config.load import load_config, to_yaml
from config.schema import DetectorConfig
from detectors.weights import weights_sha256
from evaluation.features import FeatureWriter
from evaluation.scores import ScoreRecord, ScoreWriter, SuiteRecord, environment
from preprocessing.reconstruction.stored import ReconstructionModel
from tests.benchmark.test_score_tables import scored
from tests.score_rows import score_rows

# Two reals and four fakes, two by each manipulation: AUC 6/8 in all, 2/4 of swap, 4/4 of warp.
ROWS = [(0, 0.1), (0, 0.6), (1, 0.3), (1, 0.7), (1, 0.4), (1, 0.8)]
PERFECT = [(label, 0.2 + 0.6 * label) for label, _ in ROWS]
VAL = [(0, 0.1), (0, 0.2), (0, 0.5), (1, 0.4), (1, 0.6), (1, 0.9)]
TRAINED = RunRecord(
    detector="xception",
    initialisation="ImageNet, xception.pth",
    protocol="corrected",
    train_sha256="11" * 32,
    reconstructions={"autoencoder": ReconstructionModel("small autoencoder", "22" * 32, is_substitute=True)},
    val_sha256=None,
    selection="best auc on val, epoch 3",
    best_epoch=2,
    best_value=0.9,
    steps=1200,
    device="cpu",
    processes=2,
    wall_seconds=61.0,
    environment=environment(),
    git_commit="33" * 20,
)


def changed(scores: Path, **fields: Any) -> Path:
    """A score table whose record says something else."""
    path = ScoreRecord.beside(scores)
    replace(ScoreRecord.read(path), **fields).write(path)
    return scores


def configured(scores: Path, train_set: str) -> Path:
    """A score table with a configuration beside it that says what was trained on."""
    config = load_config(DetectorConfig, "xception", [f"train_dataset=[{json.dumps(train_set)}]"])
    scores.with_name(CONFIG).write_text(to_yaml(config))
    return scores


def trained(folder: Path, dataset: str = "A", rows: list[tuple[int, float]] = ROWS) -> Path:
    """A run folder: its record, configuration and weights, and scores that were made with these."""
    folder.mkdir(parents=True)
    (folder / RECORD).write_text(json.dumps(asdict(TRAINED)))
    (folder / CONFIG).write_text(to_yaml(load_config(DetectorConfig, "xception")))
    (folder / "best.safetensors").write_bytes(folder.name.encode())
    return scored(folder, "xception", dataset, rows, "swap warp", weights=weights_sha256(folder / "best.safetensors"))


def perturbed(scores: Path, suite: str = "levels") -> Path:
    """Scores under noise of two draws and blur beside a score table: AUC 1 clean, 0.5 and 0.75, and 0.75."""
    path = perturbed_path(scores.parent.parent, scores.parent.name, suite)
    views = {
        ("none", 0, 0): [0.1, 0.2, 0.8, 0.9],
        ("noise", 1, 0): [0.9, 0.1, 0.8, 0.2],
        ("noise", 1, 1): [0.1, 0.3, 0.2, 0.9],
        ("blur", 1, 0): [0.1, 0.3, 0.2, 0.9],
    }
    with ScoreWriter(path) as writer:
        for (perturbation, level, draw), values in views.items():
            rows = score_rows([0, 0, 1, 1], values, dataset=scores.parent.name)
            writer.write(rows.assign(perturbation=perturbation, level=level, draw=draw))
    record = ScoreRecord.read(ScoreRecord.beside(scores))
    under = replace(record, suite=SuiteRecord(suite, "44" * 32, "crop", 2), n_videos=4)
    under.write(ScoreRecord.beside(path))
    return path


def featured(scores: Path, count: int) -> Path:
    """Features beside a score table, of reals and of fakes that lie apart."""
    rows: pd.DataFrame = score_rows([0, 1] * count, [0.5] * 2 * count)
    values = np.random.default_rng(0).normal(size=(2 * count, 4)) + 9 * rows["label"].to_numpy()[:, None]
    with FeatureWriter(features_path(scores), 4) as writer:
        writer.write(rows, values.astype(np.float32))
    return features_path(scores)
