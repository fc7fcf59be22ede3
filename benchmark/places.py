"""Where evaluations lie: the files of a test set in the evaluation folder of a run."""

from collections.abc import Sequence
from pathlib import Path

from config.errors import InputError

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


def files_below(paths: Sequence[Path], name: str, command: str) -> list[Path]:
    """Files as they are given, and those of some name that lie in given folders at any depth, in order.

    Args:
        paths: files, or folders that hold some.
        name: of the files that a folder is searched for.
        command: what makes such files, for the sentence that misses them.

    Raises:
        InputError: one does not exist, or a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"no such file or folder: {path}")
        inside = sorted(path.rglob(name)) if path.is_dir() else [path]
        if not inside:
            raise InputError(f"no {name} below {path}; make some with '{command}'")
        found += inside
    return found
