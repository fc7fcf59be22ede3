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


def table_beside(features: Path) -> Path:
    """The score table that features belong to, perturbed or not."""
    perturbed = features.with_name(PERTURBED)
    return perturbed if perturbed.is_file() else features.with_name(SCORES)


def clean_scores_path(table: Path) -> Path:
    """Where the scores of the clean crops alone lie: a table's own path, or if it is a perturbed one, above it."""
    return table.parent.with_name(SCORES) if table.name == PERTURBED else table


def one_of_each_set(features: Sequence[Path]) -> list[Path]:
    """One feature file of each evaluated test set: that of its clean scores, else of the first suite.

    Args:
        features: files, of which those that were made under suites hold the clean crops as well.
    """
    of_set: dict[Path, Path] = {}
    for path in sorted(features, key=lambda path: table_beside(path).name == PERTURBED):
        of_set.setdefault(clean_scores_path(table_beside(path)).resolve(), path)
    return [path for path in features if path in of_set.values()]


def files_below(paths: Sequence[Path], name: str, command: str) -> list[Path]:
    """Files as they are given, and those of some name that lie in given folders at any depth, in order, each once.

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
    return list({path.resolve(): path for path in found}.values())
