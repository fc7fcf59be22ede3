"""Frame and video metrics from a score table: those of ranks from one sort, averages, rates at thresholds from val."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from config.errors import InputError
from evaluation.averages import (
    Average,
    BoolArray,
    FloatArray,
    IntArray,
    accuracy,
    brier_score,
    expected_calibration_error,
    rate_above,
)
from evaluation.roc import OperatingPoints

FPR_PERCENTS = (1, 5)
"""The false positive rates, in per cent, at which a threshold is chosen on val."""

NO_THRESHOLD = "no TPR or FPR at a threshold: thresholds are chosen on val scores (--threshold-on), and none were given"


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
    acc = accuracy(truth, score).value()
    if truth.min() == truth.max():
        return BinaryMetrics(None, None, None, acc)
    points = OperatingPoints.of(truth, score)
    return BinaryMetrics(points.auc(), points.eer(), points.average_precision(), acc)


@dataclass(frozen=True, slots=True)
class ScoredSet:
    """The scores of a test set as arrays: one entry per frame that has a face, and per video that counts.

    Attributes:
        frame_scores: (F,) P(fake), the highest among the faces of the frame.
        frame_labels: (F,) 0 real, 1 fake.
        frame_videos: (F,) index of each frame's video.
        video_scores: (V,) mean over the frames of each video; of one without a face, what such a video counts.
        video_labels: (V,) 0 real, 1 fake.
        n_faceless_frames: frames left out because they have no face.
        n_faceless_videos: videos none of whose frames has a face, left out or not.
    """

    frame_scores: FloatArray
    frame_labels: IntArray
    frame_videos: IntArray
    video_scores: FloatArray
    video_labels: IntArray
    n_faceless_frames: int
    n_faceless_videos: int

    @property
    def faceless(self) -> BoolArray:
        """(V,) the videos that count although none of their frames has a face."""
        return np.bincount(self.frame_videos, minlength=self.video_labels.size) == 0

    @property
    def note(self) -> str:
        """How many these are and what they count, in words; empty if there are none."""
        number = int(self.faceless.sum())
        counted = ", ".join(f"{score:g}" for score in np.unique(self.video_scores[self.faceless]))
        return f"{number} video{'' if number == 1 else 's'} without a face scored {counted}" if number else ""


def group_scores(scores: pd.DataFrame) -> ScoredSet:
    """Gather the rows of a score table into frames and videos.

    A video is a pair (dataset, video_id), never a bare folder name (DeepfakeBench merges equal names of different
    manipulations). The probability of a frame is the maximum over its faces, as in SBI; that of a video the mean over
    its frames.

    Args:
        scores: score table as `evaluation.scores.read_scores` gives it, one perturbation, level and draw only. A column
            `video`, which `Protocol.view` adds, names videos in place of `video_id`; one that holds real and fake
            frames is then real. A column `faceless_score`, which `ScoreRecord.with_rule` adds, is what a video counts
            of which frames were looked at and none has a face; without it, or where it is NaN, the video is left out.

    Raises:
        InputError: there are several perturbation conditions, or a video_id has both labels.
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

    group_of = np.arange(len(names))
    if "video" in scores:
        group, _ = _codes(scores, "dataset", "video")
        group_of[video] = group
    if_faceless = _if_faceless(scores, group_of[video])

    frame = scores["frame"].to_numpy(np.int64)
    if (scores["face"] > 0).any():
        score, video, frame = _highest_face(score, video, frame)
    has_face = ~np.isnan(score)
    frame_score, frame_label, frame_video = score[has_face], label_of_video[video[has_face]], group_of[video[has_face]]
    n_frames = np.bincount(frame_video, minlength=if_faceless.size)
    n_fakes = np.bincount(frame_video, frame_label, minlength=if_faceless.size)
    total = np.bincount(frame_video, frame_score, minlength=if_faceless.size)
    all_fake = np.ones(if_faceless.size, np.int64)
    np.minimum.at(all_fake, group_of, label_of_video)
    has_face_in = n_frames > 0
    kept = has_face_in | ~np.isnan(if_faceless)
    return ScoredSet(
        frame_scores=frame_score,
        frame_labels=frame_label,
        frame_videos=(np.cumsum(kept) - 1)[frame_video],
        video_scores=np.where(has_face_in, total / np.maximum(n_frames, 1), if_faceless)[kept],
        video_labels=np.where(has_face_in, n_fakes == n_frames, all_fake)[kept].astype(np.int64),
        n_faceless_frames=int(np.sum(~has_face & (frame >= 0))),
        n_faceless_videos=int(np.sum(~has_face_in)),
    )


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores above which a sample is called fake, chosen on a val split and held fixed afterwards.

    Attributes:
        source: the val split they were chosen on, in words.
        frame: for each of FPR_PERCENTS the threshold of frame scores.
        video: for each of FPR_PERCENTS the threshold of video scores.
        n_real_frames: real frames that they were chosen on.
        n_real_videos: real videos that they were chosen on; below 100, an FPR of at most 1 % is an FPR of 0.
    """

    source: str
    frame: tuple[float, ...]
    video: tuple[float, ...]
    n_real_frames: int
    n_real_videos: int

    @property
    def note(self) -> str:
        """Where they come from, in words."""
        return (
            f"thresholds chosen on {self.source} ({self.n_real_frames} real frames, {self.n_real_videos} real videos)"
        )


def choose_thresholds(val: pd.DataFrame) -> Thresholds:
    """The smallest thresholds whose false positive rate on the reals of a val split is at most 1 % and 5 %.

    A sample is called fake if its score is above the threshold, so the smallest is the score of a real sample itself:
    with n reals, the highest but floor(n * rate). Scores that tie there all stay below.

    Args:
        val: score table of the val split of the source, or several of them in one; as for `evaluate_scores`.

    Raises:
        InputError: there is no real sample with a face, or some rows are of another split.
    """
    names = ", ".join(sorted(map(str, val["dataset"].unique())))
    if others := sorted(set(map(str, val["split"].unique())) - {"val"}):
        raise InputError(f"thresholds are chosen on a val split; some scores of {names} are of split '{others[0]}'")
    group = group_scores(val)
    frames, videos = group.frame_scores[group.frame_labels == 0], group.video_scores[group.video_labels == 0]
    if not frames.size:
        raise InputError(f"no threshold can be chosen on {names}: its val split has no real sample with a face")
    frame, video = (
        tuple(float(np.sort(reals)[-1 - reals.size * percent // 100]) for percent in FPR_PERCENTS)
        for reals in (frames, videos)
    )
    return Thresholds(f"{names} val", frame, video, frames.size, videos.size)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of a test set.

    Attributes:
        frame_auc: area under the ROC curve over frames; the other metrics likewise, over frames or videos.
        frame_eer: equal error rate.
        frame_ap: average precision.
        frame_acc: accuracy at 0.5.
        frame_ece: expected calibration error of P(fake), 15 bins (evaluation.averages).
        frame_brier: Brier score.
        frame_tpr_at_1pct: share of fakes above the threshold that lets at most 1 % of val's reals through.
        frame_fpr_at_1pct: share of this set's reals above the same threshold, which may be more than 1 %.
        frame_tpr_at_5pct: as above, at 5 %.
        frame_fpr_at_5pct: as above, at 5 %.
        video_auc: as above, over videos; likewise all that follow.
        video_eer: equal error rate.
        video_ap: average precision.
        video_acc: accuracy at 0.5.
        video_ece: expected calibration error.
        video_brier: Brier score.
        video_tpr_at_1pct: true positive rate at val's 1 % threshold.
        video_fpr_at_1pct: false positive rate at val's 1 % threshold.
        video_tpr_at_5pct: true positive rate at val's 5 % threshold.
        video_fpr_at_5pct: false positive rate at val's 5 % threshold.
        n_frames: frames with a face, which the frame metrics are over.
        n_videos: videos that the video metrics are over.
        n_faceless_frames: frames left out of all metrics: no face was found, or they cannot be read.
        n_faceless_videos: videos none of whose frames has a face; left out, or counted as `note` says.
        note: why metrics are None, TPR and FPR apart, and which videos without a face count; or empty.
        threshold_note: which val split the thresholds of TPR and FPR were chosen on, or why there are none.
    """

    frame_auc: float | None
    frame_eer: float | None
    frame_ap: float | None
    frame_acc: float | None
    frame_ece: float | None
    frame_brier: float | None
    frame_tpr_at_1pct: float | None
    frame_fpr_at_1pct: float | None
    frame_tpr_at_5pct: float | None
    frame_fpr_at_5pct: float | None
    video_auc: float | None
    video_eer: float | None
    video_ap: float | None
    video_acc: float | None
    video_ece: float | None
    video_brier: float | None
    video_tpr_at_1pct: float | None
    video_fpr_at_1pct: float | None
    video_tpr_at_5pct: float | None
    video_fpr_at_5pct: float | None
    n_frames: int
    n_videos: int
    n_faceless_frames: int
    n_faceless_videos: int
    note: str = ""
    threshold_note: str = NO_THRESHOLD


METRICS = tuple(field.name for field in fields(Metrics) if field.name.startswith(("frame_", "video_")))
"""The names of all metrics: the fields of `Metrics` that are not counts or notes."""


def evaluate_scores(scores: pd.DataFrame, thresholds: Thresholds | None = None) -> Metrics:
    """Frame and video metrics of all rows of a score table taken as one test set.

    Args:
        scores: score table as `evaluation.scores.read_scores` gives it, one perturbation, level and draw only.
        thresholds: from `choose_thresholds`; without them TPR and FPR are None, as none is ever chosen on a test set.

    Raises:
        InputError: there are several perturbation conditions, or a video has both labels.
    """
    group = group_scores(scores)
    return Metrics(
        **_of_level("frame", group.frame_labels, group.frame_scores, thresholds.frame if thresholds else ()),
        **_of_level("video", group.video_labels, group.video_scores, thresholds.video if thresholds else ()),
        n_frames=group.frame_scores.size,
        n_videos=group.video_scores.size,
        n_faceless_frames=group.n_faceless_frames,
        n_faceless_videos=group.n_faceless_videos,
        note="; ".join(filter(None, [_why_none(group.video_labels[~group.faceless]), group.note])),
        threshold_note=thresholds.note if thresholds else NO_THRESHOLD,
    )


def averages(labels: IntArray, scores: FloatArray, thresholds: tuple[float, ...] = ()) -> dict[str, Average]:
    """The metrics that are averages over samples, by name without the level: acc, ece, brier, tpr_at_1pct, ...

    Args:
        labels: (N,) 0 real, 1 fake.
        scores: (N,) P(fake) in [0, 1].
        thresholds: for each of FPR_PERCENTS; without them there are no rates.
    """
    named = {
        "acc": accuracy(labels, scores),
        "ece": expected_calibration_error(labels, scores),
        "brier": brier_score(labels, scores),
    }
    for percent, threshold in zip(FPR_PERCENTS, thresholds, strict=False):
        named[f"tpr_at_{percent}pct"] = rate_above(threshold, scores, labels == 1)
        named[f"fpr_at_{percent}pct"] = rate_above(threshold, scores, labels == 0)
    return named


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
    return [
        ClassMetrics(dataset, class_name, method, evaluate_scores(rows))
        for dataset, class_name, method, rows in of_each_class(scores)
    ]


def of_each_class(scores: pd.DataFrame) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """The rows of each fake class of each dataset with all real ones of that dataset, in order of first appearance.

    Args:
        scores: score table as `evaluation.scores.read_scores` gives it.

    Yields:
        The dataset, the class, its method, and the rows.
    """
    is_fake = scores["label"].to_numpy() == 1
    dataset, datasets = _codes(scores, "dataset")
    kind, kinds = _codes(scores, "dataset", "class_name", "method")
    for code in pd.unique(kind[is_fake]):
        name, class_name, method = kinds[code]
        of_dataset = dataset == datasets.index((name,))
        yield name, class_name, method, scores[(of_dataset & ~is_fake) | (is_fake & (kind == code))]


def _of_level(
    level: str, labels: IntArray, scores: FloatArray, thresholds: tuple[float, ...]
) -> dict[str, float | None]:
    """The metrics of frames or of videos, under their names in `Metrics`."""
    ranked = binary_metrics(labels, scores)
    values: dict[str, float | None] = dict.fromkeys(name for name in METRICS if name.startswith(level))
    values |= {f"{level}_auc": ranked.auc, f"{level}_eer": ranked.eer, f"{level}_ap": ranked.ap}
    return values | {
        f"{level}_{name}": average.value() for name, average in averages(labels, scores, thresholds).items()
    }


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


def _if_faceless(scores: pd.DataFrame, video: IntArray) -> FloatArray:
    """What each video counts if none of its frames has a face; NaN if it is then left out, as one never looked at."""
    value = np.full(int(video.max(initial=-1)) + 1, np.nan)
    if "faceless_score" in scores:
        looked_at = scores["frame"].to_numpy() >= 0
        value[video[looked_at]] = scores["faceless_score"].to_numpy(np.float64)[looked_at]
    return value


def _highest_face(score: FloatArray, video: IntArray, frame: IntArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Reduce the faces of each frame to the highest score, NaN if none has one: scores, videos and frames."""
    order = np.lexsort((frame, video))
    score, video, frame = score[order], video[order], frame[order]
    starts = np.flatnonzero(np.append(True, (np.diff(video) != 0) | (np.diff(frame) != 0)))
    return np.fmax.reduceat(score, starts), video[starts], frame[starts]
