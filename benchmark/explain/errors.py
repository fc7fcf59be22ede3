"""`assay explain errors`: the shares of reals and of fakes that are misclassified at one threshold, chosen on val."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.leaderboard import read_tables, run_name, val_scores_beside
from config.errors import InputError, unknown
from evaluation.error_rates import LEVELS, ErrorRates, error_rates, samples_of, threshold_of
from evaluation.metrics import ScoredSet, group_scores
from evaluation.plots.explanations import Errors, error_bars
from evaluation.scores import ScoreRecord
from evaluation.tables import Column, Table


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


def draw_errors(found: Sequence[SetErrors], threshold_on: Sequence[str], level: str) -> Figure:
    """The bars of some errors, with a caption that says how the threshold was chosen."""
    sets = sorted({one.test_set for one in found})
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
