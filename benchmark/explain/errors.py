"""`assay explain errors`: the shares of reals and of fakes that are misclassified at one threshold, chosen on val."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from benchmark.places import clean_scores_path
from benchmark.run_names import run_name
from benchmark.score_tables import read_table, read_tables, val_scores_beside
from config.errors import InputError, unknown
from evaluation.error_rates import LEVELS, ErrorRates, error_rates, samples_of, threshold_of
from evaluation.features import is_clean
from evaluation.metrics import ScoredSet, group_scores
from evaluation.plots.explanations import Errors, error_bars
from evaluation.scores import ScoreRecord
from evaluation.tables import Column, Table

FACE = ["dataset", "video_id", "frame", "face"]
"""The columns that tell the clean faces of a score table apart."""


@dataclass(frozen=True, slots=True)
class SetErrors:
    """The errors of a detector on a test set.

    Attributes:
        run: the detector.
        test_set: the test set.
        threshold: above it a sample is called fake.
        val: the errors on the val split that it was chosen on.
        test: the errors on the test set.
    """

    run: str
    test_set: str
    threshold: float
    val: ErrorRates
    test: ErrorRates


def errors_figure(scores: Sequence[Path], threshold_on: Sequence[str], level: str = "frame") -> Figure:
    """The misclassified shares of each class, detector and test set; arguments and errors as for `read_errors`."""
    return draw_errors(read_errors(scores, threshold_on, level), threshold_on, level)


def read_errors(paths: Sequence[Path], threshold_on: Sequence[str], level: str = "frame") -> list[SetErrors]:
    """The errors of runs at the threshold where each errs equally on reals and fakes of val.

    Args:
        paths: score tables, or folders that hold some of test splits at any depth.
        threshold_on: data sets, usually those trained on, that the same weights were scored on in split val.
        level: "frame" or "video".

    Raises:
        InputError: no data set to choose the threshold on, another level, no such scores, or a run is given twice.
    """
    if level not in LEVELS:
        raise unknown("level", level, LEVELS)
    if not threshold_on:
        raise InputError("--threshold-on: name the data set on whose val scores the threshold is chosen")
    found: dict[tuple[str, str], SetErrors] = {}
    for path, record, scores in read_tables(paths):
        one = set_errors(run_name(path, record), path, record, group_scores(scores), threshold_on, level)
        if (one.run, one.test_set) in found:
            raise InputError(f"{path}: {one.run} on {one.test_set} is given twice")
        found[one.run, one.test_set] = one
    return list(found.values())


def set_errors(
    run: str, path: Path, record: ScoreRecord, scored: ScoredSet, threshold_on: Sequence[str], level: str
) -> SetErrors:
    """The errors of one score table.

    Args:
        run: what the detector is called.
        path: the table, beside which the val scores are.
        record: its record.
        scored: its scores.
        threshold_on: as for `read_errors`.
        level: as for `read_errors`.

    Raises:
        InputError: there are no such val scores, or they are of other weights.
    """
    val = val_scores_beside(path, record, threshold_on)
    threshold = threshold_of(val, level)
    at_val, at_test = (error_rates(*samples_of(one, level), threshold) for one in (group_scores(val), scored))
    return SetErrors(run, path.parent.name, threshold, at_val, at_test)


@dataclass(frozen=True, slots=True)
class WrongReals:
    """Which faces of a test set are reals that are called fake.

    Attributes:
        source: on which val scores the threshold was chosen, in words.
        threshold: above it a face is called fake.
        which: (N,) the faces.
        rates: the shares of all faces that are misclassified.
    """

    source: str
    threshold: float
    which: npt.NDArray[np.bool_]
    rates: ErrorRates


def wrong_reals(rows: pd.DataFrame, table: Path, threshold_on: Sequence[str]) -> WrongReals:
    """The reals that are called fake at the threshold where the detector errs equally on the frames of val.

    Args:
        rows: (N) clean faces, with the columns of `evaluation.scores.IDENTITY`.
        table: their score table, perturbed or not.
        threshold_on: as for `read_errors`.

    Raises:
        InputError: there are no such val scores, they are of other weights, or the table lacks a face.
    """
    record, scores = read_table(table)
    threshold = threshold_of(val_scores_beside(clean_scores_path(table), record, threshold_on), "frame")
    clean = scores.loc[is_clean(scores) & scores["score"].notna(), [*FACE, "score"]]
    found = rows[FACE].merge(clean, how="left", on=FACE, validate="one_to_one")["score"].to_numpy(np.float64)
    if np.isnan(found).any():
        raise InputError(f"{table} lacks the score of a face whose feature lies beside it; make both again")
    labels = rows["label"].to_numpy()
    which = (labels == 0) & (found > threshold)
    return WrongReals(f"{', '.join(threshold_on)} val", threshold, which, error_rates(labels, found, threshold))


def draw_errors(found: Sequence[SetErrors], threshold_on: Sequence[str], level: str) -> Figure:
    """The bars of some errors, in the order in which they come, with a caption that says how thresholds were chosen."""
    sets = list(dict.fromkeys(one.test_set for one in found))
    rates = {(one.run, one.test_set): one.test for one in found}
    nothing = ErrorRates(None, None, 0, 0)
    detectors = [
        Errors(
            run,
            [rates.get((run, name), nothing).real for name in sets],
            [rates.get((run, name), nothing).fake for name in sets],
        )
        for run in dict.fromkeys(one.run for one in found)
    ]
    caption = (
        f"Shares of {level}s. A detector's threshold is where it errs equally often on the reals and on the fakes of "
        f"{', '.join(threshold_on)}, split val; above it a {level} is called fake."
    )
    return error_bars(sets, detectors, caption)


def errors_table(found: Sequence[SetErrors], threshold_on: Sequence[str], level: str) -> Table:
    """The same in numbers, with the thresholds and the errors on val."""
    source = f"{', '.join(threshold_on)} val"
    return Table(
        caption=f"Misclassified {level}s at the threshold of equal errors on {source}",
        row_header="Detector, test set",
        rows=tuple(f"{one.run}, {one.test_set}" for one in found),
        columns=(
            Column("threshold", None, format=".6f"),
            Column("real", None, group=source),
            Column("fake", None, group=source),
            Column("real", None, group="test"),
            Column("fake", None, group="test"),
            Column("reals", None, group="count", format=".0f"),
            Column("fakes", None, group="count", format=".0f"),
        ),
        values=tuple(
            (
                one.threshold,
                one.val.real,
                one.val.fake,
                one.test.real,
                one.test.fake,
                float(one.test.n_real),
                float(one.test.n_fake),
            )
            for one in found
        ),
    )
