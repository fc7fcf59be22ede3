"""Operating points of a list of scores, from one sort, and what follows from ranks alone: ROC, AUC, EER, AP."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.averages import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """What each distinct score, used as a threshold ("fake" if score >= threshold), lets through; highest first.

    Samples of equal score pass together, so ties get half credit in the AUC. All metrics assume that both classes are
    there, and agree with scikit-learn's to 1e-12. Where samples are weighted, a step may let nothing more through.

    Attributes:
        thresholds: (K,) distinct scores, descending.
        false_positives: (K,) real samples at or above each.
        true_positives: (K,) fake samples at or above each.
    """

    thresholds: FloatArray
    false_positives: IntArray
    true_positives: IntArray

    @classmethod
    def of(cls, labels: ArrayLike, scores: ArrayLike) -> "OperatingPoints":
        """Sort once.

        Args:
            labels: (N,) 0 real, 1 fake; N > 0.
            scores: (N,) P(fake), finite.
        """
        return Ranking.of(labels, scores).points()

    def auc(self) -> float:
        """Area under the ROC curve: the chance that a fake scores above a real one, ties counting one half."""
        fp = np.append(0, self.false_positives)
        tp = np.append(0, self.true_positives)
        doubled_area = int(np.sum(np.diff(fp) * (tp[1:] + tp[:-1])))
        return doubled_area / 2 / (int(fp[-1]) * int(tp[-1]))

    def average_precision(self) -> float:
        """Precision averaged over the steps of recall, without interpolation."""
        precision = self.true_positives / np.maximum(self.true_positives + self.false_positives, 1)
        recall = np.append(0, self.true_positives) / self.true_positives[-1]
        return float(np.sum(np.diff(recall) * precision))

    def roc(self) -> tuple[FloatArray, FloatArray]:
        """The corners of the ROC curve from (0, 0) to (1, 1), those that `sklearn.metrics.roc_curve` gives by default.

        Returns:
            False positive rates (M,) and true positive rates (M,), both ascending.
        """
        moves = np.flatnonzero(np.diff(self.false_positives + self.true_positives, prepend=0))
        fp, tp = self.false_positives[moves], self.true_positives[moves]
        bends = (np.diff(fp, 2) != 0) | (np.diff(tp, 2) != 0)
        corner = np.concatenate(([True], bends, [True]))[-fp.size :]
        return np.append(0, fp[corner]) / fp[-1], np.append(0, tp[corner]) / tp[-1]

    def eer(self) -> float:
        """Equal error rate as DeepfakeBench has it: the FPR at the ROC corner where |FNR - FPR| is smallest."""
        return self.equal_error_point()[0]

    def equal_error_point(self) -> tuple[float, float]:
        """The ROC corner where |FNR - FPR| is smallest: its FPR, which is the EER, and its FNR."""
        fpr, tpr = self.roc()
        nearest = int(np.argmin(np.abs((1 - tpr) - fpr)))
        return float(fpr[nearest]), float(1 - tpr[nearest])


@dataclass(frozen=True, slots=True)
class Ranking:
    """Samples sorted once, so that the operating points of any weighting of them cost no further sort.

    Attributes:
        order: (N,) positions of the samples from the highest score to the lowest.
        is_fake: (N,) 0 real, 1 fake, in that order.
        last_of_tie: (K,) rank of the last sample of each distinct score.
        thresholds: (K,) the distinct scores, descending.
    """

    order: IntArray
    is_fake: IntArray
    last_of_tie: IntArray
    thresholds: FloatArray

    @classmethod
    def of(cls, labels: ArrayLike, scores: ArrayLike) -> "Ranking":
        """Sort once; arguments as for `OperatingPoints.of`."""
        descending = np.asarray(scores, np.float64)
        order = np.argsort(-descending)
        descending = descending[order]
        last_of_tie = np.append(np.flatnonzero(np.diff(descending)), descending.size - 1)
        return cls(order, np.asarray(labels, np.int64)[order], last_of_tie, descending[last_of_tie])

    def points(self, weights: IntArray | None = None) -> OperatingPoints:
        """The operating points when each sample is there as often as its weight says.

        Args:
            weights: (N,) not negative, in the ranking's order; 1 for each if not given. Both classes have some.
        """
        passed = self.last_of_tie + 1 if weights is None else np.cumsum(weights)[self.last_of_tie]
        fakes = self.is_fake if weights is None else self.is_fake * weights
        true_positives = np.cumsum(fakes)[self.last_of_tie]
        return OperatingPoints(self.thresholds, passed - true_positives, true_positives)
