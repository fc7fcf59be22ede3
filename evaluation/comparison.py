"""Two detectors on the same samples: the difference of their AUCs, its interval, and whether chance explains it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from config.errors import InputError, unknown
from config.perturbation import CLEAN
from evaluation.averages import FloatArray, IntArray
from evaluation.bootstrap import RESAMPLES, percentile_interval, resample, resampled_videos, strata
from evaluation.metrics import ScoredSet, group_scores
from evaluation.roc import OperatingPoints
from evaluation.tables import Interval

COMPARED = ("frame_auc", "video_auc")
_KEY = ["dataset", "video_id", "frame"]
_CONDITION = ["perturbation", "level", "draw"]


def pair_scores(first: pd.DataFrame, second: pd.DataFrame) -> tuple[ScoredSet, ScoredSet]:
    """Match two score tables frame by frame on (dataset, video_id, frame), whatever the order of their rows.

    A frame that has no face in either table is left out of both, and a video of which no frame is left counts in both
    as one without a face; the counts of faceless frames and videos are therefore the same.

    Args:
        first: score table as `evaluation.scores.read_scores` gives it, one perturbation, level and draw only.
        second: likewise.

    Returns:
        The two with equal frames, videos and labels, in the order of the first.

    Raises:
        InputError: the tables are of different test sets or perturbations, one lacks a frame of the other, the labels
            differ, videos without a face count differently, or as for `group_scores`.
    """
    for name in ("dataset", *_CONDITION):
        here, there = (", ".join(sorted(map(str, scores[name].unique()))) or "nothing" for scores in (first, second))
        if here != there:
            raise InputError(f"the two score tables differ in '{name}': {here} in the first, {there} in the second")
    if _rule(first) != _rule(second):
        raise InputError("the two score tables differ in what a video without a face counts (faceless_score)")
    one, other = _frames(first), _frames(second)
    for table, partner, lacking in ((one, other, "second"), (other, one, "first")):
        if len(missing := table.index.difference(partner.index)):
            raise InputError(f"the {lacking} score table lacks {_words(missing[0])}, which the other has")
    other = other.reindex(one.index)
    if (differs := one["label"] != other["label"]).any():
        raise InputError(f"the two score tables label {_words(one.index[differs][0])} differently")
    faceless = one["score"].isna() | other["score"].isna()
    return _without(one, faceless), _without(other, faceless)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The AUCs of two detectors on the same samples, and their difference, first minus second.

    Attributes:
        first: AUC of the first detector.
        second: AUC of the second.
        difference: first minus second.
        first_interval: 95 % interval of the first AUC.
        second_interval: 95 % interval of the second AUC.
        difference_interval: 95 % interval of the difference.
        p: two-sided; how often a bootstrap difference is on the other side of 0, doubled.
    """

    first: float
    second: float
    difference: float
    first_interval: Interval
    second_interval: Interval
    difference_interval: Interval
    p: float


def compare_auc(
    first: ScoredSet, second: ScoredSet, metric: str = "frame_auc", *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """A paired bootstrap over videos: both detectors are measured on the same resampled videos.

    Hard videos are hard for both, so the difference is surer than either AUC, and overlapping intervals of the two say
    little. The p-value inverts the percentile interval: p = 2 min(b + 1, a + 1) / (R + 1), at most 1, where b of R
    differences are <= 0 and a are >= 0 (Davison & Hinkley, Bootstrap Methods and their Application, 1997, ch. 4). It
    cannot be below 2 / (R + 1).

    Args:
        first: from `pair_scores`.
        second: from `pair_scores`.
        metric: frame_auc or video_auc.
        resamples: number of resampled sets.
        seed: of the draws.

    Raises:
        InputError: another metric, or a class has fewer than two videos with a face.
    """
    if metric not in COMPARED:
        raise unknown("metric to compare", metric, COMPARED)
    _check_classes(first.video_labels[~first.faceless])
    one, other = (
        resample(group, [metric], resampled_videos(strata(group), resamples, seed)).values[:, 0]
        for group in (first, second)
    )
    differences = one - other
    aucs = _auc(first, metric), _auc(second, metric)
    return Comparison(
        first=aucs[0],
        second=aucs[1],
        difference=aucs[0] - aucs[1],
        first_interval=percentile_interval(one),
        second_interval=percentile_interval(other),
        difference_interval=percentile_interval(differences),
        p=two_sided_p(differences),
    )


def two_sided_p(differences: FloatArray) -> float:
    """The p-value of a difference from how bootstrap differences (R,) lie about 0, as `compare_auc` says."""
    tail = 1 + min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * tail / (differences.size + 1))


@dataclass(frozen=True, slots=True)
class DeLong:
    """DeLong's test of two correlated AUCs.

    Attributes:
        first: AUC of the first detector.
        second: AUC of the second.
        standard_error: of first minus second.
        z: difference over its standard error.
        p: two-sided, from the normal distribution.
    """

    first: float
    second: float
    standard_error: float
    z: float
    p: float


def delong_test(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> DeLong:
    """DeLong's test (DeLong et al., Biometrics 44, 1988) in Sun & Xu's fast form (IEEE SPL 21, 2014), with midranks.

    It takes samples to be independent. Videos may pass for that; frames of a video do not, and on frames its p-values
    are far too small: give it `video_labels` and `video_scores`, and use `compare_auc` for frames.

    Args:
        labels: (N,) 0 real, 1 fake.
        first: (N,) scores of the first detector.
        second: (N,) scores of the second for the same samples.

    Raises:
        InputError: a class has fewer than two samples.
    """
    truth = np.asarray(labels, np.int64)
    _check_classes(truth)
    n_fake, n_real = int(truth.sum()), int((1 - truth).sum())
    placements = []
    for scores in (np.asarray(first, np.float64), np.asarray(second, np.float64)):
        fakes, reals = scores[truth == 1], scores[truth == 0]
        ranks = _midranks(np.concatenate([fakes, reals]))
        below = (ranks[:n_fake] - _midranks(fakes)) / n_real
        above = 1 - (ranks[n_fake:] - _midranks(reals)) / n_fake
        placements.append((below, above))
    # Eq. 5 to 9 of Sun & Xu: shares of reals below each fake, and of fakes above each real.
    aucs = [float(below.mean()) for below, _ in placements]
    below, above = (np.subtract(*parts) for parts in zip(*placements, strict=True))
    error = math.sqrt(below.var(ddof=1) / n_fake + above.var(ddof=1) / n_real)
    difference = aucs[0] - aucs[1]
    # Rankings that agree, or separate the classes alike, leave no variance but that of rounding.
    z = 0.0
    if abs(difference) > 1e-12:
        z = difference / error if error > 1e-12 else math.copysign(math.inf, difference)
    return DeLong(aucs[0], aucs[1], error, z, math.erfc(abs(z) / math.sqrt(2)))


def _frames(scores: pd.DataFrame) -> pd.DataFrame:
    """A row for each frame under `_KEY`: its label, and the highest score of its faces, NaN without any."""
    group_scores(scores)  # refuses several conditions, which the reduction would hide
    values = ["label", "score", *scores.columns.intersection(["faceless_score"])]
    return scores.astype({"dataset": str, "video_id": str}).groupby(_KEY, sort=False)[values].max()


def _rule(scores: pd.DataFrame) -> set[float]:
    """What videos without a face count; nothing if they are left out."""
    return set(scores["faceless_score"].unique()) if "faceless_score" in scores else set()


def _without(frames: pd.DataFrame, faceless: "pd.Series[bool]") -> ScoredSet:
    """The frames grouped, some of them taken as faceless."""
    face, score = np.where(faceless, -1, 0), frames["score"].mask(faceless)
    return group_scores(frames.assign(score=score, face=face, perturbation=CLEAN, level=0, draw=0).reset_index())


def _midranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; equal values share the mean of theirs."""
    return np.asarray(pd.Series(values).rank(), np.float64)


def _check_classes(labels: IntArray) -> None:
    n_real, n_fake = np.bincount(labels, minlength=2)
    if min(n_real, n_fake) < 2:
        raise InputError(
            f"two AUCs can be compared on at least two real and two fake videos with a face, not {n_real} and {n_fake}"
        )


def _auc(group: ScoredSet, metric: str) -> float:
    if metric == "video_auc":
        return OperatingPoints.of(group.video_labels, group.video_scores).auc()
    return OperatingPoints.of(group.frame_labels, group.frame_scores).auc()


def _words(key: Any) -> str:
    dataset, video, frame = key
    return f"frame {frame} of video '{video}' ({dataset})" if frame >= 0 else f"video '{video}' ({dataset})"
