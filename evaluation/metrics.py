"""Frame and video metrics from a score table: AUC, EER, AP and accuracy, each from one sort of the scores."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from config.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OperatingPoints:
    """What each distinct score, used as a threshold ("fake" if score >= threshold), lets through; highest first.

    Samples of equal score pass together, so ties get half credit in the AUC. All metrics assume that both classes are
    there, and agree with scikit-learn's to 1e-12.

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
        descending = np.asarray(scores, np.float64)
        order = np.argsort(-descending)
        descending = descending[order]
        last_of_tie = np.append(np.flatnonzero(np.diff(descending)), descending.size - 1)
        true_positives = np.cumsum(np.asarray(labels, np.int64)[order])[last_of_tie]
        return cls(descending[last_of_tie], last_of_tie + 1 - true_positives, true_positives)

    def auc(self) -> float:
        """Area under the ROC curve: the chance that a fake scores above a real one, ties counting one half."""
        fp = np.append(0, self.false_positives)
        tp = np.append(0, self.true_positives)
        doubled_area = int(np.sum(np.diff(fp) * (tp[1:] + tp[:-1])))
        return doubled_area / 2 / (int(fp[-1]) * int(tp[-1]))

    def average_precision(self) -> float:
        """Precision averaged over the steps of recall, without interpolation."""
        precision = self.true_positives / (self.true_positives + self.false_positives)
        recall = np.append(0, self.true_positives) / self.true_positives[-1]
        return float(np.sum(np.diff(recall) * precision))

    def roc(self) -> tuple[FloatArray, FloatArray]:
        """The corners of the ROC curve from (0, 0) to (1, 1), those that `sklearn.metrics.roc_curve` gives by default.

        Returns:
            False positive rates (M,) and true positive rates (M,), both ascending.
        """
        fp, tp = self.false_positives, self.true_positives
        bends = (np.diff(fp, 2) != 0) | (np.diff(tp, 2) != 0)
        corner = np.concatenate(([True], bends, [True]))[-fp.size :]
        return np.append(0, fp[corner]) / fp[-1], np.append(0, tp[corner]) / tp[-1]

    def eer(self) -> float:
        """Equal error rate as DeepfakeBench has it: the FPR at the ROC corner where |FNR - FPR| is smallest."""
        fpr, tpr = self.roc()
        return float(fpr[np.argmin(np.abs((1 - tpr) - fpr))])


@dataclass(frozen=True, slots=True)
class BinaryMetrics:
    """Metrics of a list of scores: AUC, EER and AP are None unless both classes are there, accuracy if it is empty."""

    auc: float | None
    eer: float | None
    ap: float | None
    acc: float | None


def binary_metrics(labels: ArrayLike, scores: ArrayLike) -> BinaryMetrics:
    """AUC, EER, AP, and accuracy at 0.5 (a score of exactly 0.5 counts as real, as with argmax over two logits).

    Args:
        labels: (N,) 0 real, 1 fake.
        scores: (N,) P(fake) in [0, 1].
    """
    truth, score = np.asarray(labels, np.int64), np.asarray(scores, np.float64)
    if truth.size == 0:
        return BinaryMetrics(None, None, None, None)
    acc = float(np.mean((score > 0.5) == (truth == 1)))
    if truth.min() == truth.max():
        return BinaryMetrics(None, None, None, acc)
    points = OperatingPoints.of(truth, score)
    return BinaryMetrics(points.auc(), points.eer(), points.average_precision(), acc)


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """The scores of a test set as arrays: one entry per frame and per video that has a face.

    Attributes:
        frame_scores: (F,) P(fake), the highest among the faces of the frame.
        frame_labels: (F,) 0 real, 1 fake.
        frame_videos: (F,) index of each frame's video.
        video_scores: (V,) mean over the frames of each video.
        video_labels: (V,) 0 real, 1 fake.
        n_faceless_frames: frames left out because they have no face.
        n_faceless_videos: videos left out because none of their frames has a face.
    """

    frame_scores: FloatArray
    frame_labels: IntArray
    frame_videos: IntArray
    video_scores: FloatArray
    video_labels: IntArray
    n_faceless_frames: int
    n_faceless_videos: int


def group_scores(scores: pd.DataFrame) -> ScoredSet:
    """Gather the rows of a score table into frames and videos.

    A video is a pair (dataset, video_id), never a bare folder name (DeepfakeBench merges equal names of different
    manipulations). The probability of a frame is the maximum over its faces, as in SBI; that of a video the mean over
    its frames.

    Args:
        scores: score table as `evaluation.scores.read_scores` gives it, one perturbation, level and draw only.

    Raises:
        InputError: there are several perturbation conditions, or a video has both labels.
    """
    for name in ("perturbation", "level", "draw"):
        if scores[name].nunique() > 1:
            raise InputError(f"the scores hold several values of '{name}'; metrics are of one at a time")
    video, names = _codes(scores, "dataset", "video_id")
    label = scores["label"].to_numpy(np.int64)
    score = scores["score"].to_numpy(np.float64)

    label_of_video = np.zeros(len(names), np.int64)
    label_of_video[video] = label
    if (mixed := label_of_video[video] != label).any():
        raise InputError(f"video '{scores['video_id'].iloc[int(np.argmax(mixed))]}' is labelled both real and fake")

    frame = scores["frame"].to_numpy(np.int64)
    if (scores["face"] > 0).any():
        score, video, frame = _highest_face(score, video, frame)
    has_face = ~np.isnan(score)
    frame_score, frame_video = score[has_face], video[has_face]
    n_frames = np.bincount(frame_video, minlength=len(names))
    kept = n_frames > 0
    frame_video = (np.cumsum(kept) - 1)[frame_video]
    return ScoredSet(
        frame_scores=frame_score,
        frame_labels=label_of_video[kept][frame_video],
        frame_videos=frame_video,
        video_scores=np.bincount(frame_video, frame_score, minlength=int(kept.sum())) / n_frames[kept],
        video_labels=label_of_video[kept],
        n_faceless_frames=int(np.sum(~has_face & (frame >= 0))),
        n_faceless_videos=int(np.sum(~kept)),
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of a test set.

    Attributes:
        frame_auc: area under the ROC curve over frames; the other metrics likewise, over frames or videos.
        frame_eer: equal error rate.
        frame_ap: average precision.
        frame_acc: accuracy at 0.5.
        video_auc: as above, over videos.
        video_eer: as above, over videos.
        video_ap: as above, over videos.
        video_acc: as above, over videos.
        n_frames: frames with a face, which the frame metrics are over.
        n_videos: videos with a face, which the video metrics are over.
        n_faceless_frames: frames left out of all metrics: no face was found, or they cannot be read.
        n_faceless_videos: videos left out because no frame of theirs has a face.
        note: why metrics are None, or empty.
    """

    frame_auc: float | None
    frame_eer: float | None
    frame_ap: float | None
    frame_acc: float | None
    video_auc: float | None
    video_eer: float | None
    video_ap: float | None
    video_acc: float | None
    n_frames: int
    n_videos: int
    n_faceless_frames: int
    n_faceless_videos: int
    note: str = ""


def evaluate_scores(scores: pd.DataFrame) -> Metrics:
    """Frame and video metrics of all rows of a score table taken as one test set.

    Args:
        scores: score table as `evaluation.scores.read_scores` gives it, one perturbation, level and draw only.

    Raises:
        InputError: there are several perturbation conditions, or a video has both labels.
    """
    group = group_scores(scores)
    frame = binary_metrics(group.frame_labels, group.frame_scores)
    video = binary_metrics(group.video_labels, group.video_scores)
    return Metrics(
        frame_auc=frame.auc,
        frame_eer=frame.eer,
        frame_ap=frame.ap,
        frame_acc=frame.acc,
        video_auc=video.auc,
        video_eer=video.eer,
        video_ap=video.ap,
        video_acc=video.acc,
        n_frames=group.frame_scores.size,
        n_videos=group.video_scores.size,
        n_faceless_frames=group.n_faceless_frames,
        n_faceless_videos=group.n_faceless_videos,
        note=_why_none(group.video_labels),
    )


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """Metrics of one fake class of one dataset against all real samples of that dataset."""

    dataset: str
    class_name: str
    method: str
    metrics: Metrics


def per_class(scores: pd.DataFrame) -> list[ClassMetrics]:
    """Break a score table down by fake class, in order of first appearance.

    Args:
        scores: score table as `evaluation.scores.read_scores` gives it, one perturbation, level and draw only.

    Raises:
        InputError: as `evaluate_scores`.
    """
    is_fake = scores["label"].to_numpy() == 1
    dataset, datasets = _codes(scores, "dataset")
    kind, kinds = _codes(scores, "dataset", "class_name", "method")
    rows: list[ClassMetrics] = []
    for code in pd.unique(kind[is_fake]):
        name, class_name, method = kinds[code]
        of_dataset = dataset == datasets.index((name,))
        chosen = (of_dataset & ~is_fake) | (is_fake & (kind == code))
        rows.append(ClassMetrics(name, class_name, method, evaluate_scores(scores[chosen])))
    return rows


def _why_none(labels: IntArray) -> str:
    """The reason for metrics that are None, from the labels of all videos with a face."""
    if labels.size == 0:
        return "no sample with a face"
    if labels.min() == labels.max():
        return f"no {'real' if labels[0] else 'fake'} sample with a face: AUC, EER and AP need both classes"
    return ""


def _codes(scores: pd.DataFrame, *columns: str) -> tuple[IntArray, list[tuple[str, ...]]]:
    """Number the distinct rows of some columns by first appearance: the code of each row (N,), and the rows by code."""
    joint = np.zeros(len(scores), np.int64)
    for name in columns:
        code, values = pd.factorize(scores[name])
        joint = joint * max(len(values), 1) + code
    codes, distinct = pd.factorize(joint)
    first = np.full(len(distinct), -1, np.int64)
    first[codes[::-1]] = np.arange(len(scores) - 1, -1, -1)
    rows = scores[list(columns)].iloc[first]
    return codes.astype(np.int64), list(rows.itertuples(index=False, name=None))


def _highest_face(score: FloatArray, video: IntArray, frame: IntArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Reduce the faces of each frame to the highest score, NaN if none has one: scores, videos and frames."""
    order = np.lexsort((frame, video))
    score, video, frame = score[order], video[order], frame[order]
    starts = np.flatnonzero(np.append(True, (np.diff(video) != 0) | (np.diff(frame) != 0)))
    return np.fmax.reduceat(score, starts), video[starts], frame[starts]
