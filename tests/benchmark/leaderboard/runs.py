"""Small run folders made by hand for the tests of the leaderboard."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmark.places import CONFIG
from benchmark.train import RECORD
from config.load import load_config, to_yaml
from config.schema import DetectorConfig
from detectors.weights import weights_sha256
from evaluation.scores import ScoreRecord
from tests.benchmark.report.runs import TRAINED
from tests.benchmark.test_score_tables import scored

Rows = list[tuple[int, float]]

# Two reals and two fakes; AUC 4/4, 3/4, 2/4 and 1/4.
BEST: Rows = [(0, 0.1), (0, 0.2), (1, 0.8), (1, 0.9)]
GOOD: Rows = [(0, 0.1), (0, 0.6), (1, 0.5), (1, 0.9)]
FAIR: Rows = [(0, 0.1), (0, 0.95), (1, 0.5), (1, 0.9)]
POOR: Rows = [(0, 0.6), (0, 0.95), (1, 0.5), (1, 0.9)]


def run(
    folder: Path,
    tables: dict[str, Rows],
    trained_on: Sequence[str] = ("A",),
    *,
    scored_with: str = "best",
    **record: Any,
) -> Path:
    """A run folder with the scores of its weights.

    Args:
        folder: of the run, whose name is the detector's.
        tables: labels and scores by test set.
        trained_on: data sets.
        scored_with: which of its weights, best or last.
        record: what its scores' records say otherwise.
    """
    folder.mkdir(parents=True)
    for name in ("best", "last"):
        (folder / f"{name}.safetensors").write_bytes(f"{folder.name} {name}".encode())
    (folder / RECORD).write_text(json.dumps(asdict(replace(TRAINED, detector=folder.name, val_sha256="44" * 32))))
    sets = json.dumps(list(trained_on))
    (folder / CONFIG).write_text(to_yaml(load_config(DetectorConfig, "xception", [f"train_dataset={sets}"])))
    for test_set, rows in tables.items():
        weights = weights_sha256(folder / f"{scored_with}.safetensors")
        path = scored(folder, folder.name, test_set, rows, weights=weights)
        path.with_name(CONFIG).write_text((folder / CONFIG).read_text())
        again(path, **record)
    return folder


def again(scores: Path, **fields: Any) -> None:
    """Write the record of a score table anew, with something else in it."""
    path = ScoreRecord.beside(scores)
    replace(ScoreRecord.read(path), **fields).write(path)
