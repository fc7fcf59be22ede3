"""Where evaluations lie: the files of a test set in the evaluation folder of a run."""

from pathlib import Path

SCORES = "scores.parquet"
PERTURBED = "perturbed.parquet"
FEATURES = "features.parquet"
CONFIG = "config.yaml"
METRICS = "metrics.json"
ROBUSTNESS = "robustness.json"


def set_folder(folder: Path, dataset: str, split: str = "test") -> Path:
    """Where below the evaluation folder of a run everything about a data set's split lies."""
    return folder / (dataset if split == "test" else f"{dataset}_{split}")


def scores_path(folder: Path, dataset: str, split: str = "test") -> Path:
    """The scores of a data set's split."""
    return set_folder(folder, dataset, split) / SCORES


def perturbed_path(folder: Path, dataset: str, suite: str, split: str = "test") -> Path:
    """The scores of a data set's split under a perturbation suite, with those of the clean crops beside them."""
    return set_folder(folder, dataset, split) / suite / PERTURBED


def features_path(scores: Path) -> Path:
    """The features that belong to a score table, perturbed or not."""
    return scores.with_name(FEATURES)
