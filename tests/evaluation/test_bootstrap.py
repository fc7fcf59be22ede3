import math
import tracemalloc
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError
from evaluation.bootstrap import bootstrap, percentile_interval, resample, resampled_videos
from evaluation.metrics import METRICS, Thresholds, choose_thresholds, evaluate_scores, group_scores
from tests.score_rows import score_rows

TIED = st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.75, 1.0])
VIDEO = st.lists(TIED | st.floats(0, 1), min_size=1, max_size=5)
THRESHOLDS = Thresholds("val", (0.75, 0.25), (0.5, 0.2), 10, 10)


@st.composite
def test_sets(draw: st.DrawFn) -> pd.DataFrame:
    """Score tables with at least two videos of each class, in any order of labels."""
    labels = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), max_size=6))]
    labels = draw(st.permutations(labels))
    return table(labels, [draw(VIDEO) for _ in labels])


test_sets.__test__ = False  # type: ignore[attr-defined]


def table(labels: list[int], frames: list[list[float]]) -> pd.DataFrame:
    """A score table of videos from the scores of their frames."""
    flat = [(label, f"v{n}", frame, score) for n, label in enumerate(labels) for frame, score in enumerate(frames[n])]
    label, video, frame, score = zip(*flat, strict=True)
    return score_rows(label, score, video, frames=frame)


def simulated(seed: int, videos: int, frames: int, shift: float = 1.0) -> pd.DataFrame:
    """As many real as fake videos; what the frames of a video share varies as much as what they do not."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], videos)
    logits = shift * labels[:, None] + rng.normal(size=(2 * videos, 1)) + rng.normal(size=(2 * videos, frames))
    return table(labels.tolist(), ((1 + np.tanh(logits / 4).round(3)) / 2).tolist())


def by_scikit_learn(labels: np.ndarray, scores: np.ndarray, thresholds: tuple[float, ...]) -> list[float]:
    """The ten metrics of a level in the order of `METRICS`, each from the samples themselves."""
    fpr, tpr, _ = sk.roc_curve(labels, scores)
    edges = np.linspace(0, 1, 16)
    gaps = [
        abs((scores[inside] - labels[inside]).sum())
        for low, high in pairwise(edges)
        for inside in [(scores <= high) & ((scores > low) | (low == 0))]
    ]
    rates = [np.mean(scores[labels == label] > threshold) for threshold in thresholds for label in (1, 0)]
    return [
        sk.roc_auc_score(labels, scores),
        fpr[np.nanargmin(np.absolute((1 - tpr) - fpr))],
        sk.average_precision_score(labels, scores),
        sk.accuracy_score(labels, scores > 0.5),
        sum(gaps) / labels.size,
        sk.brier_score_loss(labels, scores),
        *rates,
    ]


@settings(max_examples=50, deadline=None)
@given(test_sets(), st.integers(0, 2**31))
def test_resampled_metrics_are_those_of_the_resampled_videos(rows: pd.DataFrame, seed: int) -> None:
    group = group_scores(rows)
    got = resample(group, METRICS, resampled_videos(group.video_labels, 4, seed), THRESHOLDS)
    assert sorted(got.names) == sorted(METRICS)
    for values, drawn in zip(got.values, resampled_videos(group.video_labels, 4, seed), strict=True):
        videos = np.repeat(np.arange(drawn.size), drawn)
        frames = np.concatenate([np.flatnonzero(group.frame_videos == video) for video in videos])
        expected = by_scikit_learn(group.frame_labels[frames], group.frame_scores[frames], THRESHOLDS.frame)
        expected += by_scikit_learn(group.video_labels[videos], group.video_scores[videos], THRESHOLDS.video)
        named = dict(zip(got.names, values, strict=True))
        assert [named[name] for name in METRICS] == pytest.approx(expected, abs=1e-12)


@given(test_sets())
def test_every_video_once_gives_the_metrics_of_the_set(rows: pd.DataFrame) -> None:
    group = group_scores(rows)
    got = resample(group, METRICS, [np.ones(group.video_labels.size, np.int64)], THRESHOLDS)
    metrics = evaluate_scores(rows, THRESHOLDS)
    expected = [getattr(metrics, name) for name in got.names]
    assert got.values[0].tolist() == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=40), st.integers(0, 1000))
def test_each_class_is_drawn_as_often_as_it_is_there(labels: list[int], seed: int) -> None:
    truth = np.array(labels)
    for drawn in resampled_videos(truth, 3, seed):
        assert drawn[truth == 1].sum() == truth.sum()
        assert drawn.sum() == truth.size


def test_every_video_of_a_class_is_as_likely_as_another() -> None:
    labels = np.array([0, 1, 0, 1, 1])
    drawn = sum(resampled_videos(labels, 4000))
    # The count of a video in 4000 draws has a standard deviation of at most √4000 ≈ 63.
    assert np.abs(drawn - 4000).max() < 4 * math.sqrt(4000)


def test_the_seed_decides() -> None:
    rows = simulated(0, 5, 3)
    one, same, other = (bootstrap(rows, resamples=20, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.values, same.values)
    assert (one.values != other.values).any()
    np.testing.assert_array_equal(bootstrap(rows, resamples=20).values, one.values)


def test_an_interval_is_the_middle_of_the_values() -> None:
    interval = percentile_interval(np.arange(1001.0))
    assert (interval.low, interval.high) == pytest.approx((25, 975))


def test_a_metric_alone_has_the_interval_it_has_among_all() -> None:
    rows = simulated(3, 8, 4)
    alone = bootstrap(rows, ["video_ap"], resamples=50)
    assert alone.names == ("video_ap",)
    assert alone.interval("video_ap") == bootstrap(rows, resamples=50).interval("video_ap")


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    # A fake frame scores above a real one of another video with probability Φ(shift / √4).
    truth = NormalDist().cdf(1 / 2)
    covered = alone = 0
    for seed in range(150):
        rows = simulated(seed, 30, 6)
        interval = bootstrap(rows, ["frame_auc"], resamples=200).interval("frame_auc")
        assert interval is not None
        covered += interval.low <= truth <= interval.high
        frames = rows.assign(video_id=[f"f{number}" for number in range(len(rows))])
        interval = bootstrap(frames, ["frame_auc"], resamples=200).interval("frame_auc")
        assert interval is not None
        alone += interval.low <= truth <= interval.high
    assert 0.88 <= covered / 150 <= 0.99
    # Frames taken as if each were a video of its own promise too much.
    assert alone / 150 < 0.80


def test_thresholds_are_held_fixed() -> None:
    rows = simulated(1, 10, 3)
    thresholds = choose_thresholds(rows.assign(split="val"))
    resampled = bootstrap(rows, ["frame_fpr_at_5pct"], thresholds, resamples=200)
    # Chosen anew in each resample, the rate could not be above 5 %.
    assert resampled.values.max() > 0.05


def test_without_thresholds_there_are_no_rates() -> None:
    resampled = bootstrap(simulated(1, 5, 3), resamples=3)
    assert not [name for name in resampled.names if name.endswith("pct")]
    assert resampled.interval("frame_tpr_at_1pct") is None


def test_one_class_leaves_what_needs_no_other() -> None:
    resampled = bootstrap(table([0, 0, 0], [[0.1], [0.6, 0.2], [0.4]]), thresholds=THRESHOLDS, resamples=50)
    kinds = {"acc", "ece", "brier", "fpr_at_1pct", "fpr_at_5pct"}
    assert set(resampled.names) == {f"{level}_{kind}" for level in ("frame", "video") for kind in kinds}
    assert resampled.interval("frame_auc") is None


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1], [1]])
def test_a_class_of_one_video_has_no_interval(labels: list[int]) -> None:
    assert bootstrap(table(labels, [[0.1, 0.3]] * len(labels)), resamples=5).names == ()


def test_nothing_to_measure_has_no_interval() -> None:
    assert bootstrap(score_rows([], []), resamples=5).names == ()
    assert bootstrap(score_rows([0, 1], [None, None]), resamples=5).interval("frame_acc") is None


def test_mistakes_are_named() -> None:
    rows = simulated(0, 3, 2)
    with pytest.raises(InputError, match="unknown metric 'frame_acu'; did you mean 'frame_auc'"):
        bootstrap(rows, ["frame_acu"])
    with pytest.raises(InputError, match="at least one resample, not 0"):
        bootstrap(rows, resamples=0)


def test_memory_does_not_grow_with_resamples() -> None:
    rows = simulated(0, 50, 100)
    peaks = []
    for resamples in (20, 200):
        tracemalloc.start()
        bootstrap(rows, resamples=resamples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 180 more resamples of 10,000 frames would be 14 MB as numbers of eight bytes.
    assert peaks[1] - peaks[0] < 1e6
