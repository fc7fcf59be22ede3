"""How many of the reals and how many of the fakes are misclassified at one threshold, chosen where val errs equally."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from config.errors import InputError
from evaluation.metrics import ScoredSet, group_scores
from evaluation.roc import OperatingPoints

LEVELS = ("frame", "video")


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Misclassified shares at a threshold; a sample is called fake if its score is above it.

    Attributes:
        real: share of the reals that are called fake; None without any.
        fake: share of the fakes that are called real; None without any.
        n_real: how many reals.
        n_fake: how many fakes.
    """

    real: float | None
    fake: float | None
    n_real: int
    n_fake: int


def error_rates(labels: ArrayLike, scores: ArrayLike, threshold: float) -> ErrorRates:
    """The misclassified shares of each class.

    Args:
        labels: (N,) 0 real, 1 fake.
        scores: (N,) P(fake).
        threshold: above it a sample is called fake.
    """
    is_fake, called = np.asarray(labels) == 1, np.asarray(scores) > threshold
    wrong_reals, wrong_fakes = called[~is_fake], ~called[is_fake]
    return ErrorRates(
        float(wrong_reals.mean()) if wrong_reals.size else None,
        float(wrong_fakes.mean()) if wrong_fakes.size else None,
        wrong_reals.size,
        wrong_fakes.size,
    )


def equal_error_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """The threshold at which the shares of misclassified reals and fakes are as equal as they can be.

    It is one of the scores, as a sample is called fake if it scores above it: any other number parts the samples like
    one of these, but for one below all scores, where the shares differ most. Of several where they are equally near,
    it is the one with the smaller sum of both, and then the lowest.

    Args:
        labels: (N,) 0 real, 1 fake; both are there.
        scores: (N,) P(fake).
    """
    points = OperatingPoints.of(labels, scores)
    n_real, n_fake = int(points.false_positives[-1]), int(points.true_positives[-1])
    # Above a score lies what is at or above the next higher one. In whole numbers, so that ties are ties.
    wrong_reals = np.append(0, points.false_positives[:-1]) * n_fake
    wrong_fakes = (n_fake - np.append(0, points.true_positives[:-1])) * n_real
    ascending = np.lexsort((points.thresholds, wrong_reals + wrong_fakes, np.abs(wrong_reals - wrong_fakes)))
    return float(points.thresholds[ascending[0]])


def threshold_of(val: pd.DataFrame, level: str) -> float:
    """The equal-error threshold of a val split.

    Args:
        val: score table of the val split of the source, or several of them in one; as for `group_scores`.
        level: "frame" or "video".

    Raises:
        InputError: a class has no sample with a face, or as for `group_scores`.
    """
    labels, scores = samples_of(group_scores(val), level)
    for label, name in enumerate(("real", "fake")):
        if not (labels == label).any():
            sets = ", ".join(sorted(map(str, val["dataset"].unique())))
            raise InputError(f"no threshold can be chosen on {sets}: its val split has no {name} sample with a face")
    return equal_error_threshold(labels, scores)


def samples_of(group: ScoredSet, level: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and scores (N,) of the frames or of the videos."""
    if level == "frame":
        return group.frame_labels, group.frame_scores
    return group.video_labels, group.video_scores
