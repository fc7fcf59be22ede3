"""What there is of some runs: score tables and what they say, records of training, perturbed scores and features."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmark.places import (
    CONFIG,
    FEATURES,
    PERTURBED,
    SCORES,
    clean_scores_path,
    one_of_each_set,
    scores_path,
    table_beside,
)
from benchmark.run_names import runs_apart
from benchmark.score_tables import read_table, read_tables, thresholds_beside
from benchmark.train import RECORD, RunRecord, run_folder_of
from config.errors import InputError
from config.load import load_config
from config.perturbation import CLEAN
from config.schema import DetectorConfig
from detectors.weights import weights_sha256
from evaluation.bootstrap import RESAMPLES, bootstrap
from evaluation.measurement import Measurement, measure
from evaluation.metrics import ScoredSet, evaluate_scores, group_scores, of_each_class
from evaluation.scores import ScoreRecord
from evaluation.tables import Interval
from training.checkpoint import RunFolder


@dataclass(frozen=True, slots=True)
class Manipulation:
    """The frame AUC of one manipulation of a test set against all reals of the set, with its interval if it has one."""

    name: str
    auc: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Result:
    """A score table and what follows from it.

    Attributes:
        path: the score table; where it would lie if the clean crops were scored with perturbed ones alone.
        split: of the data set, which is "test" unless a table of another is named.
        record: how it came about.
        measured: all metrics, with intervals.
        scored: the scores as arrays, as the record's protocol sees them.
        manipulations: each of the set's, in order of first appearance.
        sources: the data sets trained on whose val scores, by the same weights, lie beside; thresholds are theirs.
    """

    path: Path
    split: str
    record: ScoreRecord
    measured: Measurement
    scored: ScoredSet
    manipulations: tuple[Manipulation, ...]
    sources: tuple[str, ...]

    @property
    def test_set(self) -> str:
        """The test set: the folder that the score table is in."""
        return self.path.parent.name

    @property
    def dataset(self) -> str:
        """The data set or part whose split it is."""
        return self.test_set.removesuffix(f"_{self.split}")


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the leaderboard.

    Attributes:
        name: what tells it apart from the others.
        results: by test set.
        folder: the run folder that the scores lie in, absolute; None without one.
        training: its record.
        weights: its selected weights, if these are what all its results were made with.
    """

    name: str
    results: dict[str, Result]
    folder: Path | None
    training: RunRecord | None
    weights: Path | None


@dataclass(frozen=True, slots=True)
class Collection:
    """All that a report is made of.

    Attributes:
        runs: in order of their names.
        perturbed: tables of scores under perturbations.
        features: one feature file of each result that has some.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """

    runs: tuple[Run, ...]
    perturbed: tuple[Path, ...]
    features: tuple[Path, ...]
    resamples: int
    seed: int

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The names of all test sets, sorted."""
        return tuple(sorted({name for run in self.runs for name in run.results}))

    def on(self, test_set: str) -> dict[str, Result]:
        """The results on a test set, by the names of their runs."""
        return {run.name: run.results[test_set] for run in self.runs if test_set in run.results}

    @property
    def results(self) -> list[Result]:
        """The results of all runs."""
        return [result for run in self.runs for result in run.results.values()]

    def named(self, names: Mapping[Path, str]) -> "Collection":
        """The runs of some run folders alone, under these names and in their order."""
        by_folder = {run.folder: run for run in self.runs}
        chosen = [replace(by_folder[path.resolve()], name=name) for path, name in names.items()]
        return replace(self, runs=tuple(chosen))


def collect(paths: Sequence[Path], *, resamples: int = RESAMPLES, seed: int = 0, console: Console) -> Collection:
    """Find and measure everything below some paths.

    Args:
        paths: run folders, evaluation folders, score tables, or folders of these at any depth. Of a folder the scores
            of test splits are taken; those of another split are if their file is named. Where the clean crops were
            scored with perturbed ones alone, their scores are those of the perturbed table.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        console: where progress is shown.

    Raises:
        InputError: a path is missing, there are no scores of a test split, or a file is damaged.
    """
    for path in paths:
        if not path.exists():
            raise InputError(f"no such file or folder: {path}")
    perturbed = _files(paths, PERTURBED)
    results: dict[Path, Result] = {}
    for path, file, record, scores in _clean_tables(paths, perturbed):
        if path.resolve() not in results:
            console.print(f"measure {file}", highlight=False, markup=False)
            sources = _sources(path, file.with_name(CONFIG), record)
            results[path.resolve()] = _result(path, record, scores, sources, resamples, seed)
    if not results:
        raise InputError(f"no test scores below {', '.join(map(str, paths))}")
    features = one_of_each_set(
        [path for path in _files(paths, FEATURES) if clean_scores_path(table_beside(path)).resolve() in results]
    )
    runs = tuple(_run(name, own) for name, own in runs_apart(list(results.values())).items())
    return Collection(runs, tuple(perturbed), tuple(features), resamples, seed)


def _clean_tables(
    paths: Sequence[Path], perturbed: Sequence[Path]
) -> Iterator[tuple[Path, Path, ScoreRecord, pd.DataFrame]]:
    """The clean scores below some paths, those of a perturbed table where a run has no others of a test set.

    Each comes with the path of the clean table, which need not be there, and of the file that was read.
    """
    alone = {clean_scores_path(path): path for path in reversed(perturbed) if not clean_scores_path(path).is_file()}
    if not alone:
        for path, record, scores in read_tables([clean_scores_path(path) for path in paths]):
            yield path, path, record, scores
        return
    named = [path for path in paths if path.is_file() and path.name != PERTURBED]
    files = {path: path for path in [*named, *_files([path for path in paths if path.is_dir()], SCORES)]}
    for clean, path in (files | alone).items():
        record, scores = read_table(path)
        if path in paths or (scores["split"] == "test").all():
            yield clean, path, record, scores[scores["perturbation"] == CLEAN]


def _files(paths: Sequence[Path], name: str) -> list[Path]:
    """The files of a name below some folders, and below those of score tables that are named themselves; each once."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    return list({file.resolve(): file for folder in folders for file in sorted(folder.rglob(name))}.values())


def _result(
    path: Path, record: ScoreRecord, scores: pd.DataFrame, sources: tuple[str, ...], resamples: int, seed: int
) -> Result:
    thresholds = thresholds_beside(path, record, sources)
    measured = measure(scores, thresholds, resamples=resamples, seed=seed)
    split, manipulations = str(scores["split"].iloc[0]), tuple(_manipulations(scores, resamples, seed))
    return Result(path, split, record, measured, group_scores(scores), manipulations, sources)


def _sources(path: Path, config: Path, record: ScoreRecord) -> tuple[str, ...]:
    if not config.is_file():
        return ()
    beside = {
        name: scores_path(path.parent.parent, name, "val") for name in load_config(DetectorConfig, config).train_dataset
    }
    return tuple(
        name
        for name, val in beside.items()
        if val.is_file() and ScoreRecord.read(ScoreRecord.beside(val)).weights_sha256 == record.weights_sha256
    )


def _manipulations(scores: pd.DataFrame, resamples: int, seed: int) -> Iterator[Manipulation]:
    classes = list(of_each_class(scores))
    times = Counter(method for _, _, method, _ in classes)
    for _, class_name, method, rows in classes:
        interval = bootstrap(rows, ["frame_auc"], resamples=resamples, seed=seed).interval("frame_auc")
        name = method if times[method] == 1 else f"{method} ({class_name})"
        yield Manipulation(name, evaluate_scores(rows).frame_auc, interval)


def _run(name: str, results: Sequence[Result]) -> Run:
    by_set = {result.test_set: result for result in results}
    folders = {run_folder_of(result.path) for result in results}
    folder = folders.pop() if len(folders) == 1 else None
    if folder is None:
        return Run(name, by_set, None, None, None)
    best = RunFolder(folder).best
    hashes = {result.record.weights_sha256 for result in results}
    weights = best if best.is_file() and hashes == {weights_sha256(best)} else None
    return Run(name, by_set, folder, RunRecord.read(folder / RECORD), weights)
