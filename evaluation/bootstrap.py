"""How sure a metric is: intervals from a bootstrap over videos."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from config.errors import InputError, unknown
from evaluation.averages import FloatArray, IntArray
from evaluation.metrics import METRICS, ScoredSet, Thresholds, averages, group_scores
from evaluation.roc import OperatingPoints, Ranking
from evaluation.tables import Interval

RESAMPLES = 1000
LEVEL = 0.95

_OF_RANKS: Mapping[str, Callable[[OperatingPoints], float]] = MappingProxyType(
    {"auc": OperatingPoints.auc, "eer": OperatingPoints.eer, "ap": OperatingPoints.average_precision}
)


@dataclass(frozen=True, slots=True)
class Resampled:
    """Metrics of resampled test sets.

    Attributes:
        names: (M,) fields of `Metrics`.
        values: (R, M) their values, a row for each resample.
    """

    names: tuple[str, ...]
    values: FloatArray

    def interval(self, name: str) -> Interval | None:
        """The 95 % interval of a metric; None if it has no value on this test set.

        The interval of the ECE lies too high, as resampling adds chance deviations to those that are there, and may
        leave out the estimate.
        """
        return percentile_interval(self.values[:, self.names.index(name)]) if name in self.names else None


def percentile_interval(values: FloatArray) -> Interval:
    """The middle 95 % of bootstrap values (R,): 2.5 % are cut off at each end, interpolating between values."""
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(float(low), float(high))


def bootstrap(
    scores: pd.DataFrame,
    names: Sequence[str] = METRICS,
    thresholds: Thresholds | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Resampled:
    """Metrics of test sets that are resampled from one: videos drawn with replacement, with all of their frames.

    Frames of a video are alike, so that intervals over frames as if they were independent are too narrow, the more so
    the more frames a video has (the cluster bootstrap: Field & Welsh, JRSS B 69, 2007).

    What the intervals leave out: the detector is held fixed, so that they say nothing of another training run, and so
    are thresholds; videos made of the same source footage are drawn as if they were unrelated; and a metric at its
    bound, such as an AUC of 1, is there in every resample, so that its interval [1, 1] is too narrow.

    Each resample costs one pass over the sorted scores; memory is that of a single one.

    Args:
        scores: score table as `evaluation.scores.read_scores` gives it, one perturbation, level and draw only.
        names: the metrics, fields of `Metrics`.
        thresholds: as for `evaluate_scores`; without them TPR and FPR are left out.
        resamples: number of resampled sets.
        seed: of the draws.

    Returns:
        The metrics that have a value; none where a class that is there has a single video, which leaves nothing to
        draw.

    Raises:
        InputError: an unknown metric, or as for `evaluate_scores`.
    """
    group = group_scores(scores)
    return resample(group, names, resampled_videos(strata(group), resamples, seed), thresholds)


def strata(group: ScoredSet) -> IntArray:
    """(V,) within what videos are drawn: 0 real, 1 fake, and 2 more for a video without a face.

    These are as many in each resample: what the face detector misses is held fixed like the detector.
    """
    return group.video_labels + 2 * group.faceless


def resampled_videos(labels: IntArray, resamples: int, seed: int = 0) -> Iterator[IntArray]:
    """How often each video is drawn, resample by resample: real videos from the real ones, fakes from the fakes.

    Drawn by label, each resample has as many videos of either class as the test set. That is as it should be: the
    makers of a test set chose these numbers, they are no result of chance, and accuracy, AP, ECE and Brier score depend
    on them. Besides, a resample of a small set could otherwise lack a class, and would have no AUC.

    Args:
        labels: (V,) 0 real, 1 fake, or `strata`.
        resamples: number of resampled sets.
        seed: of the draws; equal labels and seeds give equal draws.

    Yields:
        (V,) counts.

    Raises:
        InputError: less than one resample.
    """
    if resamples < 1:
        raise InputError(f"a bootstrap needs at least one resample, not {resamples}")
    generator = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    for _ in range(resamples):
        drawn = np.zeros(labels.size, np.int64)
        for members in classes:
            picks = generator.integers(members.size, size=members.size)
            drawn[members] = np.bincount(picks, minlength=members.size)
        yield drawn


def resample(
    group: ScoredSet, names: Sequence[str], draws: Iterable[IntArray], thresholds: Thresholds | None = None
) -> Resampled:
    """Metrics of a test set under each of some draws of its videos.

    Args:
        group: the test set.
        names: fields of `Metrics`.
        draws: (V,) how often each video is there, from `resampled_videos` of the group's `strata`.
        thresholds: as for `evaluate_scores`.

    Raises:
        InputError: an unknown metric.
    """
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    at_frames, at_videos = (thresholds.frame, thresholds.video) if thresholds else ((), ())
    counts = np.bincount(group.video_labels[~group.faceless])
    if (counts == 1).any() or not counts.size:
        names = ()
    each = np.arange(group.video_labels.size)
    frames = _Level("frame", names, group.frame_labels, group.frame_scores, group.frame_videos, each.size, at_frames)
    videos = _Level("video", names, group.video_labels, group.video_scores, each, each.size, at_videos)
    present = frames.names + videos.names
    values = [frames.under(drawn) + videos.under(drawn) for drawn in draws] if present else []
    return Resampled(present, np.array(values, np.float64).reshape(len(values), len(present)))


class _Level:
    """Frames or videos, prepared so that no draw of videos needs a sort.

    Args:
        level: "frame" or "video".
        names: fields of `Metrics`, of which those of this level are computed.
        labels: (N,) 0 real, 1 fake.
        scores: (N,) P(fake).
        videos: (N,) index of each sample's video.
        n_videos: how many there are.
        thresholds: for each of FPR_PERCENTS, or none.
    """

    def __init__(
        self,
        level: str,
        names: Sequence[str],
        labels: IntArray,
        scores: FloatArray,
        videos: IntArray,
        n_videos: int,
        thresholds: tuple[float, ...],
    ) -> None:
        kinds = [name.removeprefix(f"{level}_") for name in names if name.startswith(f"{level}_")]
        has_both = np.unique(labels).size == 2
        of_ranks = [kind for kind in kinds if kind in _OF_RANKS and has_both]
        if of_ranks:
            self._ranking = Ranking.of(labels, scores)
            self._videos = videos[self._ranking.order]
        self._of_ranks = [_OF_RANKS[kind] for kind in of_ranks]
        prepared = averages(labels, scores, thresholds) if kinds else {}
        of_sums = [kind for kind in kinds if kind in prepared and prepared[kind].counted.any()]
        self._sums = [prepared[kind].by_video(videos, n_videos) for kind in of_sums]
        self.names = tuple(f"{level}_{kind}" for kind in (*of_ranks, *of_sums))

    def under(self, drawn: IntArray) -> list[float]:
        """The metrics of `names` when each video is there as often as `drawn` (V,) says."""
        values: list[float] = []
        if self._of_ranks:
            points = self._ranking.points(drawn[self._videos])
            values += [metric(points) for metric in self._of_ranks]
        return values + [float(np.abs(drawn @ sums).sum() / (drawn @ counts)) for sums, counts in self._sums]
