"""Which detectors do not differ significantly from the best one, by AUCs on the same resampled videos."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd

from evaluation.averages import FloatArray
from evaluation.bootstrap import RESAMPLES, bootstrap, percentile_interval
from evaluation.comparison import two_sided_p
from evaluation.tables import Interval

SIGNIFICANT = 0.05
"""A p-value below is a significant difference."""


@dataclass(frozen=True, slots=True)
class DrawnAuc:
    """The AUC of one training run on a test set, and on resampled videos of it.

    Attributes:
        value: on the test set itself.
        drawn: (R,) on the resampled ones; the same videos for all that have equal `samples`, resamples and seed.
        samples: hash of the frames and labels that it is of.
    """

    value: float
    drawn: FloatArray
    samples: str

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the AUC."""
        return percentile_interval(self.drawn)


def drawn_aucs(
    scores: pd.DataFrame, values: dict[str, float | None], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, DrawnAuc]:
    """AUCs of a score table on resampled videos.

    Args:
        scores: as for `evaluation.bootstrap.bootstrap`.
        values: frame_auc, video_auc, or both, with their values on the test set.
        resamples: number of resampled sets.
        seed: of the draws.

    Returns:
        Those that can be resampled: both classes are there, with at least two videos each.

    Raises:
        InputError: as for `bootstrap`.
    """
    present = {name: value for name, value in values.items() if value is not None}
    if not present:
        return {}
    found, samples = bootstrap(scores, list(present), resamples=resamples, seed=seed), _samples(scores)
    drawn = dict(zip(found.names, found.values.T, strict=True))
    return {name: DrawnAuc(value, drawn[name], samples) for name, value in present.items() if name in drawn}


def tied_with_best(rows: Sequence[Sequence[DrawnAuc | None]]) -> list[bool | None]:
    """Whether each row's AUC, the mean over its training runs, differs from the highest only as chance explains.

    Args:
        rows: of each row the AUCs of its training runs, all on one test set; None for one that there is not.

    Returns:
        Of each row whether the p-value of the difference is at least `SIGNIFICANT`. None is not tested: the best row,
        rows that lack an AUC, and those of other samples than the best.
    """
    runs = [[run for run in row if run] if all(row) else [] for row in rows]
    means = [fmean(run.value for run in row) if row else -1.0 for row in runs]
    tied: list[bool | None] = [None] * len(rows)
    if not any(runs):
        return tied
    best = int(np.argmax(means))
    for index, row in enumerate(runs):
        if row and index != best and len({run.samples for run in (*row, *runs[best])}) == 1:
            of_best, of_row = (np.stack([run.drawn for run in each]) for each in (runs[best], row))
            tied[index] = difference_p(of_best, of_row) >= SIGNIFICANT
    return tied


def difference_p(first: FloatArray, second: FloatArray, seed: int = 0) -> float:
    """The two-sided p-value of the difference of two detectors' mean AUCs over training runs.

    With one run each it is that of `compare_auc`, which holds the detectors fixed. With several, each resample also
    draws training runs: one less than there are, with replacement, so that the mean varies as much as that of so many
    runs does (Rao & Wu, JASA 83, 1988); all of them would vary too little, by half with two runs.

    Args:
        first: (S, R) AUCs of S training runs, their seeds apart alike, on R resampled test sets.
        second: (T, R) likewise of another detector, on the same resampled test sets.
        seed: of the draws of runs.
    """
    generator = np.random.default_rng(seed)
    one, other = (_mean_of_drawn_runs(drawn, generator) for drawn in (first, second))
    return two_sided_p(one - other)


def _mean_of_drawn_runs(drawn: FloatArray, generator: np.random.Generator) -> FloatArray:
    runs, resamples = drawn.shape
    picks = generator.integers(runs, size=(max(runs - 1, 1), resamples))
    return np.asarray(np.take_along_axis(drawn, picks, axis=0).mean(axis=0))


def _samples(scores: pd.DataFrame) -> str:
    """Hash of what decides what a draw of videos is: the frames in their order, labels, and which have a face."""
    names = ["dataset", "video_id", "frame", "label", *scores.columns.intersection(["video", "faceless_score"])]
    about = scores[names].assign(has_face=scores["score"].notna())
    hashes = pd.util.hash_pandas_object(about, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()
