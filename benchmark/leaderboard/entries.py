"""The runs of a results folder for a leaderboard: their score tables, and how their weights came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import abspath, commonpath
from pathlib import Path

from benchmark.leaderboard.board import Figure, Leaderboard, Selection, Training
from benchmark.leaderboard.measure import Belonging, Method, leaderboard_of
from benchmark.places import CONFIG, SCORES
from benchmark.run_names import runs_apart
from benchmark.score_tables import read_tables
from benchmark.train import RECORD, RunRecord, run_folder_of
from config.errors import InputError, unknown
from config.files import file_sha256
from config.load import load_config
from config.schema import DetectorConfig
from evaluation.scores import ScoreRecord
from training.checkpoint import RunFolder


@dataclass(frozen=True, slots=True)
class _Found:
    """A score table of a run."""

    path: Path
    record: ScoreRecord
    figure: Figure

    @property
    def test_set(self) -> str:
        return self.figure.test_set


def collect_leaderboard(
    paths: Sequence[Path],
    method: Method,
    *,
    test_sets: Sequence[str] = (),
    trained_on: Mapping[str, Sequence[str]] | None = None,
) -> Leaderboard:
    """The leaderboard of all runs below some folders.

    Args:
        paths: results folders, run folders, evaluation folders, or score tables of test splits.
        method: how figures are computed.
        test_sets: only these; all if none is named.
        trained_on: data sets that runs without a record of training were trained on, by the run's name.

    Raises:
        InputError: no score table, a damaged one, some that do not belong together, or a name that is not there.
    """
    root = _common_folder(paths)
    belonging, found = Belonging(method.metric), []
    seen = set()
    for path, record, scores in read_tables(paths):
        seen.add(path.parent.name)
        if not test_sets or path.parent.name in test_sets:
            belonging.check(path, record, scores)
            name = _absolute(path).relative_to(root).as_posix()
            found.append(_Found(path, record, method.figure(path, name, record, scores)))
    for name in test_sets:
        if name not in seen:
            raise unknown("test set", name, seen)
    runs = runs_apart(found)
    declared = trained_on or {}
    for name in declared:
        if name not in runs:
            raise unknown("run", name, runs)
    return leaderboard_of(
        [
            (name, _training(name, own, declared.get(name)), [table.figure for table in own])
            for name, own in runs.items()
        ],
        method,
    )


def _common_folder(paths: Sequence[Path]) -> Path:
    """The folder that the score tables are named from: what all given paths lie in, and the test sets' folders too."""
    folders = [path if path.is_dir() else path.parent for path in map(_absolute, paths)]
    return Path(commonpath([folder.parent if (folder / SCORES).is_file() else folder for folder in folders]))


def _absolute(path: Path) -> Path:
    """The path from the root, links as they are."""
    return Path(abspath(path))


def _training(name: str, tables: Sequence[_Found], declared: Sequence[str] | None) -> Training:
    """What is known of the training behind some score tables; nothing of weights that were trained elsewhere."""
    beside = tables[0].path.with_name(CONFIG)
    config = load_config(DetectorConfig, beside).model_dump(mode="json") if beside.is_file() else None
    made = {(run_folder_of(table.path), table.record.weights_sha256) for table in tables}
    folder = next(iter(made))[0] if len({folder for folder, _ in made}) == 1 else None
    chosen = {_selection(folder, weights) for _, weights in made} if folder else {None}
    if folder is None or None in chosen:
        return Training(tuple(declared) if declared else None, declared=bool(declared), config=config)
    if declared:
        raise InputError(f"--trained-on {name}: its run folder says what it was trained on")
    record = RunRecord.read(folder / RECORD)
    return Training(
        sets=tuple(load_config(DetectorConfig, RunFolder(folder).config).train_dataset),
        selection=(chosen.pop() if len(chosen) == 1 else None) or Selection.UNKNOWN,
        words=record.selection,
        initialisation=record.initialisation,
        train_sha256=record.train_sha256,
        val_sha256=record.val_sha256,
        config=config,
    )


def _selection(folder: Path, weights: str) -> Selection | None:
    """How the epoch of scored weights was chosen in a run; None if they are not that run's.

    Where the run's weights were deleted, its record is taken at its word.
    """
    run = RunFolder(folder)
    if not run.best.is_file() or file_sha256(run.best) == weights:
        by_val = RunRecord.read(folder / RECORD).val_sha256 is not None
        return Selection.SOURCE_VAL if by_val else Selection.LAST_EPOCH
    if run.last.is_file() and file_sha256(run.last) == weights:
        return Selection.LAST_EPOCH
    return Selection.UNKNOWN if any(file_sha256(kept) == weights for _, kept in run.epochs()) else None
