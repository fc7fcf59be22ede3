"""Metrics that are averages over samples: accuracy, Brier score, calibration error, and rates at a fixed threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class Average:
    """Sums of terms, one sum for each bin; their absolute values, added up, over the number of counted samples.

    One bin makes it a plain mean (the terms are then not negative), fifteen the calibration error. As nothing but sums
    enters, the sums of each video are enough to know the value of any resampling of videos.

    Attributes:
        terms: (N,) what each sample adds to the sum of its bin.
        counted: (N,) whether it counts in the number that is divided by; the others' terms are 0.
        bins: (N,) the bin of each sample, from 0.
        n_bins: number of bins.
    """

    terms: FloatArray
    counted: BoolArray
    bins: IntArray
    n_bins: int = 1

    def value(self) -> float | None:
        """The metric; None if no sample is counted."""
        (sums,), (count,) = self.by_video(np.zeros(self.terms.size, np.int64), 1)
        return float(np.abs(sums).sum() / count) if count else None

    def by_video(self, videos: IntArray, n_videos: int) -> tuple[FloatArray, FloatArray]:
        """Sums (V, n_bins) and numbers of counted samples (V,) of each video.

        Args:
            videos: (N,) index of each sample's video.
            n_videos: V.
        """
        cells = videos * self.n_bins + self.bins
        sums = np.bincount(cells, self.terms, minlength=n_videos * self.n_bins).astype(np.float64)
        counts = np.bincount(videos[self.counted], minlength=n_videos).astype(np.float64)
        return sums.reshape(n_videos, self.n_bins), counts


def accuracy(labels: IntArray, scores: FloatArray) -> Average:
    """Share of samples on the right side of 0.5; a score of exactly 0.5 counts as real."""
    return _mean((scores > 0.5) == (labels == 1), np.ones(scores.size, bool))


def brier_score(labels: IntArray, scores: FloatArray) -> Average:
    """Mean squared difference of P(fake) and label, 0 to 1 (Brier, 1950, for two classes; scikit-learn's half form)."""
    return _mean((scores - labels) ** 2, np.ones(scores.size, bool))


def expected_calibration_error(labels: IntArray, scores: FloatArray) -> Average:
    """How far P(fake) is from the share of fakes, 0 to 1 (Naeini et al., AAAI 2015; bins as in Guo et al., ICML 2017).

    The samples are put into 15 bins of equal width by P(fake) itself, not by the confidence in the more likely class:
    ((k - 1) / 15, k / 15], and 0 into the first. ECE = sum over bins of n_bin / n * |mean P(fake) - share of fakes|.
    It is never negative, and in small samples chance alone lifts it above 0.
    """
    return Average(scores - labels, np.ones(scores.size, bool), _calibration_bins(scores), ECE_BINS)


@dataclass(frozen=True, slots=True)
class Reliability:
    """What the calibration error is the sum of: the bins, and what lies in each.

    Attributes:
        counts: (15,) number of samples.
        predicted: (15,) mean P(fake); NaN in an empty bin.
        observed: (15,) share of fakes; NaN in an empty bin.
    """

    counts: IntArray
    predicted: FloatArray
    observed: FloatArray

    @classmethod
    def of(cls, labels: IntArray, scores: FloatArray) -> "Reliability":
        """Sort samples into the bins of `expected_calibration_error`.

        Args:
            labels: (N,) 0 real, 1 fake.
            scores: (N,) P(fake) in [0, 1].
        """
        bins = _calibration_bins(scores)
        counts = np.bincount(bins, minlength=ECE_BINS)
        divisor = np.where(counts > 0, counts, np.nan)
        predicted, observed = (np.bincount(bins, weights, ECE_BINS) / divisor for weights in (scores, labels))
        return cls(counts, predicted, observed)

    def error(self) -> float | None:
        """The expected calibration error; None if there is no sample."""
        total = int(self.counts.sum())
        gaps = np.abs(self.predicted - self.observed)
        return float(np.nansum(self.counts * gaps) / total) if total else None


def rate_above(threshold: float, scores: FloatArray, members: NDArray[np.bool_]) -> Average:
    """Share of some samples whose score is above a threshold: the TPR if they are the fakes, the FPR if the reals."""
    return _mean((scores > threshold) & members, members)


def _calibration_bins(scores: FloatArray) -> IntArray:
    """(N,) the bin of each score, from 0."""
    inner_edges = np.linspace(0, 1, ECE_BINS + 1)[1:-1]
    return np.searchsorted(inner_edges, scores).astype(np.int64)


def _mean(terms: FloatArray | NDArray[np.bool_], counted: NDArray[np.bool_]) -> Average:
    return Average(terms.astype(np.float64), counted, np.zeros(terms.size, np.int64))
