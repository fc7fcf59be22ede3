"""Score tables measured for a leaderboard, and whether they belong together."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmark.leaderboard.board import VERSION, Figure, Leaderboard, Selection, Training
from benchmark.leaderboard.ranking import MeasuredRun, measurable_sets, ranked, sets_to_rank_on
from benchmark.samples import samples_mark, samples_of
from benchmark.score_tables import direction
from config.errors import InputError, unknown
from config.files import file_sha256
from evaluation.bootstrap import bootstrap
from evaluation.metrics import METRICS, evaluate_scores
from evaluation.protocol import Protocol
from evaluation.scores import ScoreRecord, environment, git_commit

RANKING = tuple(name for name in METRICS if not name.endswith("pct"))
"""The metrics that a leaderboard can rank by: all that follow from test scores alone, without thresholds from val."""


@dataclass(frozen=True, slots=True)
class Method:
    """How figures are computed.

    Attributes:
        metric: one of `RANKING`.
        resamples: of the bootstrap that intervals come from; 0 for none.
        seed: of the bootstrap.

    Raises:
        InputError: no such metric, or one that cannot be ranked by.
    """

    metric: str
    resamples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise unknown("metric", self.metric, RANKING)
        if self.metric not in RANKING:
            raise InputError(f"a leaderboard cannot rank by {self.metric}, whose thresholds come from val scores")

    def figure(self, path: Path, name: str, record: ScoreRecord, scores: pd.DataFrame) -> Figure:
        """What a score table says.

        Args:
            path: the score table; its folder's name is the test set.
            name: as submissions name it.
            record: how it came about.
            scores: its rows, as the protocol's metrics take them.
        """
        metrics = evaluate_scores(scores)
        reason = "" if metrics.n_frames else "no face"
        if metrics.n_frames and metrics.frame_auc is None:
            reason = "one class"
        value = None if reason else getattr(metrics, self.metric)
        drawn = None
        if value is not None and self.resamples:
            drawn = bootstrap(scores, [self.metric], resamples=self.resamples, seed=self.seed).interval(self.metric)
        return Figure(path.parent.name, name, file_sha256(path), record, value, drawn, reason)


def leaderboard_of(runs: list[tuple[str, Training, list[Figure]]], method: Method) -> Leaderboard:
    """Rank runs whose score tables belong together.

    Args:
        runs: name, training and figures of each.
        method: by which the figures were computed.

    Raises:
        InputError: two runs have the same name, a run has a test set twice or is of several weights.
    """
    measured = [_run(name, training, figures) for name, training, figures in runs]
    names = [run.name for run in measured]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"two runs are called {twice}")
    test_sets = tuple(sorted({name for run in measured for name in run.figures}))
    measurable = measurable_sets(measured, test_sets)
    chosen = sets_to_rank_on(measured, measurable)
    return Leaderboard(
        version=VERSION,
        metric=method.metric,
        resamples=method.resamples,
        seed=method.seed,
        test_sets=test_sets,
        measurable=measurable,
        ranked_on=chosen,
        rows=tuple(ranked(measured, measurable, chosen, higher=direction(method.metric) is True)),
        environment=environment(),
        git_commit=git_commit(),
    )


def _run(name: str, training: Training, figures: list[Figure]) -> MeasuredRun:
    by_set = {figure.test_set: figure for figure in figures}
    if len(by_set) < len(figures):
        raise InputError(f"{name} has two score tables of a test set")
    records = [figure.record for figure in figures]
    oracle = any(Protocol.parse(record.protocol).selected_on_test for record in records)
    if not oracle and len({record.weights_sha256 for record in records}) > 1:
        raise InputError(
            f"the score tables of {name} are of several weights: evaluate {', '.join(sorted(by_set))} with the same"
        )
    return MeasuredRun(name, replace(training, selection=Selection.TEST) if oracle else training, by_set)


class Belonging:
    """What the score tables of a leaderboard have in common, held against each further one.

    Args:
        metric: that they are measured by.
    """

    def __init__(self, metric: str) -> None:
        self._on_videos = metric.startswith("video_")
        self._first: dict[str, tuple[Path, ScoreRecord, str, pd.DataFrame]] = {}
        self._protocol: tuple[Path, str] | None = None

    def check(self, path: Path, record: ScoreRecord, scores: pd.DataFrame) -> None:
        """See that a score table is what its place and record say, and that it can be compared with those before.

        Args:
            path: the score table.
            record: its record.
            scores: its rows.

        Raises:
            InputError: it cannot.
        """
        _check_alone(path, record, scores)
        protocol = _protocol(record)
        known, expected = self._protocol = self._protocol or (path, protocol)
        if protocol != expected:
            raise InputError(
                f"{path} was scored by protocol {protocol}, {known} by {expected}: they cannot be compared"
            )
        samples = samples_of(scores)
        mark = samples_mark(samples)
        first = self._first.setdefault(path.parent.name, (path, record, mark, samples))
        if mark != first[2]:
            raise InputError(_what_differs(path, samples, first[0], first[3]))
        if self._on_videos and record.faceless_score != first[1].faceless_score:
            raise InputError(f"{path} and {first[0]} differ in what a video without a face counts")


def _check_alone(path: Path, record: ScoreRecord, scores: pd.DataFrame) -> None:
    if record.suite is not None:
        raise InputError(f"{path} holds scores under {record.suite.name}: a leaderboard is of clean crops")
    for column, expected in (("dataset", path.parent.name), ("split", "test")):
        found = sorted(map(str, scores[column].unique()))
        if found != [expected]:
            raise InputError(f"{path}: expected {column} {expected}, found {', '.join(found) or 'no rows'}")


def _protocol(record: ScoreRecord) -> str:
    """How the scores came about, but for the choice of the epoch, which a leaderboard shows."""
    return f"{replace(Protocol.parse(record.protocol), selected_on_test=False).name} v{record.protocol_version}"


def _what_differs(path: Path, samples: pd.DataFrame, first: Path, others: pd.DataFrame) -> str:
    """The first sample that only one of two score tables has, in a sentence."""
    here, there = (set(map(tuple, each.astype({"video_id": str}).to_numpy())) for each in (samples, others))
    has, lacks, (video, frame, label) = (
        (path, first, min(here - there)) if here - there else (first, path, min(there - here))
    )
    what = f"frame {frame} of " if frame >= 0 else ""
    return (
        f"{path} and {first} were not scored on the same: {has} has {what}{('real', 'fake')[label]} video '{video}', "
        f"{lacks} does not"
    )
