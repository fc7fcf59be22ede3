import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError
from evaluation.comparison import compare_auc, delong_test, pair_scores
from evaluation.metrics import evaluate_scores
from tests.score_rows import score_rows

TIED = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def samples(score: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    """Labels with at least two of each class, and two lists of scores."""
    rows = st.lists(st.tuples(st.integers(0, 1), score, score), min_size=4, max_size=30)
    return rows.map(lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True))).filter(
        lambda columns: 2 <= columns[0].sum() <= columns[0].size - 2
    )


def variance_by_pairs(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """DeLong's variance of the difference of two AUCs from all pairs, O(mn), as in the paper of 1988."""

    def psi(scores: np.ndarray) -> np.ndarray:
        gap = scores[labels == 1][:, None] - scores[labels == 0][None, :]
        return (gap > 0) + 0.5 * (gap == 0)

    pairs = psi(first) - psi(second)
    m, n = pairs.shape
    by_fake, by_real = pairs.mean(axis=1), pairs.mean(axis=0)
    s10 = ((by_fake - pairs.mean()) ** 2).sum() / (m - 1)
    s01 = ((by_real - pairs.mean()) ** 2).sum() / (n - 1)
    return s10 / m + s01 / n


@given(samples(TIED) | samples(st.floats(0, 1)))
def test_delong_agrees_with_the_formula_over_all_pairs(data: tuple[np.ndarray, ...]) -> None:
    labels, first, second = data
    got = delong_test(labels, first, second)
    assert got.first == pytest.approx(sk.roc_auc_score(labels, first), abs=1e-12)
    assert got.second == pytest.approx(sk.roc_auc_score(labels, second), abs=1e-12)
    assert got.standard_error**2 == pytest.approx(variance_by_pairs(labels, first, second), abs=1e-12)
    if got.standard_error > 1e-9:
        assert got.z == pytest.approx((got.first - got.second) / got.standard_error)
    assert got.p == pytest.approx(math.erfc(abs(got.z) / math.sqrt(2)))


@given(samples(TIED))
def test_delong_knows_no_order_of_the_two(data: tuple[np.ndarray, ...]) -> None:
    labels, first, second = data
    one, other = delong_test(labels, first, second), delong_test(labels, second, first)
    assert (one.p, one.z) == pytest.approx((other.p, -other.z), abs=1e-9)


def test_delong_of_a_detector_with_itself_is_no_difference() -> None:
    got = delong_test([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.9], [0.1, 0.6, 0.5, 0.9])
    assert (got.z, got.p, got.standard_error) == (0, 1, 0)
    perfect = delong_test([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.0, 0.4, 0.5, 0.6])
    assert (perfect.first, perfect.z, perfect.p) == (1, 0, 1)


def test_delong_rejects_about_as_often_as_it_says_where_nothing_differs() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 60)
    rejected = 0
    for _ in range(400):
        shared = labels + rng.normal(size=120)
        first, second = shared + rng.normal(size=120), shared + rng.normal(size=120)
        rejected += delong_test(labels, first, second).p < 0.05
    assert 8 <= rejected <= 36


def two_detectors(seed: int, videos: int = 30, frames: int = 4, gain: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of two detectors that find the same videos hard; the first is better by `gain`."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], videos)
    names = [f"v{number}" for number in range(2 * videos) for _ in range(frames)]
    shared = label[:, None] + rng.normal(size=(2 * videos, 1))
    tables = []
    for better in (gain, 0.0):
        logits = shared + better * label[:, None] + 0.5 * rng.normal(size=(2 * videos, frames))
        tables.append(
            score_rows(
                np.repeat(label, frames).tolist(),
                ((1 + np.tanh(logits)) / 2).ravel().round(3).tolist(),
                names,
                frames=list(range(frames)) * (2 * videos),
            )
        )
    return tables[0], tables[1]


@pytest.mark.parametrize("metric", ["frame_auc", "video_auc"])
def test_a_comparison_holds_the_metrics_of_both(metric: str) -> None:
    first, second = two_detectors(1)
    got = compare_auc(*pair_scores(first, second), metric, resamples=100)
    assert got.first == getattr(evaluate_scores(first), metric)
    assert got.second == getattr(evaluate_scores(second), metric)
    assert got.difference == got.first - got.second
    assert got.difference_interval.low <= got.difference <= got.difference_interval.high


def test_pairing_makes_a_difference_sure_that_two_intervals_leave_open() -> None:
    got = compare_auc(*pair_scores(*two_detectors(2, gain=0.7)))
    assert got.first_interval.low < got.second_interval.high
    assert got.difference_interval.low > 0
    assert got.p < 0.01


def test_p_and_interval_agree_and_swapping_turns_the_sign() -> None:
    for seed in range(6):
        one, other = pair_scores(*two_detectors(seed, gain=0.15))
        got, swapped = compare_auc(one, other, resamples=300), compare_auc(other, one, resamples=300)
        outside = not got.difference_interval.low <= 0 <= got.difference_interval.high
        assert outside == (got.p < 0.05)
        assert swapped.p == got.p
        assert swapped.difference_interval.low == pytest.approx(-got.difference_interval.high)


def test_a_detector_does_not_differ_from_itself() -> None:
    first, _ = two_detectors(0)
    got = compare_auc(*pair_scores(first, first), resamples=50)
    assert (got.difference, got.p) == (0, 1)
    assert (got.difference_interval.low, got.difference_interval.high) == (0, 0)


def test_p_is_small_by_chance_about_as_often_as_it_says() -> None:
    rejected = sum(compare_auc(*pair_scores(*two_detectors(seed)), resamples=200).p < 0.05 for seed in range(100, 200))
    assert rejected <= 13


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random: object) -> None:
    first, second = two_detectors(3, videos=5)
    order = list(range(len(second)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert compare_auc(*pair_scores(first, second.iloc[order]), resamples=20) == compare_auc(
        *pair_scores(first, second), resamples=20
    )


def test_text_and_categories_match() -> None:
    first, second = two_detectors(4, videos=4)
    coded = second.astype(dict.fromkeys(("dataset", "video_id", "perturbation"), "category"))
    coded["video_id"] = coded["video_id"].cat.reorder_categories(coded["video_id"].cat.categories[::-1])
    for part in zip(pair_scores(first, coded), pair_scores(first, second), strict=True):
        np.testing.assert_array_equal(part[0].frame_scores, part[1].frame_scores)


def small(scores: Sequence[float | None], **changes: object) -> pd.DataFrame:
    """Two real and two fake videos of two frames each."""
    rows = score_rows([0] * 4 + [1] * 4, scores, list("aabbccdd"), frames=[0, 1] * 4)
    return rows.assign(**changes)


def test_a_frame_without_a_face_in_either_is_left_out_of_both() -> None:
    first = small([0.1, None, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    second = small([0.2, 0.9, None, None, 0.5, 0.6, 0.7, None])
    one, other = pair_scores(first, second)
    assert one.frame_scores.tolist() == [0.1, 0.5, 0.6, 0.7]
    assert other.frame_scores.tolist() == [0.2, 0.5, 0.6, 0.7]
    assert one.frame_videos.tolist() == other.frame_videos.tolist() == [0, 1, 1, 2]
    assert one.video_labels.tolist() == [0, 1, 1]
    assert (
        (one.n_faceless_frames, one.n_faceless_videos) == (other.n_faceless_frames, other.n_faceless_videos) == (4, 1)
    )


def test_a_frame_counts_by_its_highest_face_in_each() -> None:
    first = score_rows([0, 0, 1], [0.1, 0.4, 0.9], list("aab"), frames=[0, 0, 0], faces=[0, 1, 0])
    second = score_rows([0, 1], [0.3, 0.2], list("ab"), frames=[0, 0])
    one, other = pair_scores(first, second)
    assert one.frame_scores.tolist() == [0.4, 0.9]
    assert other.frame_scores.tolist() == [0.3, 0.2]


EIGHT = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def test_rows_that_do_not_match_are_named() -> None:
    full = small(EIGHT)
    with pytest.raises(InputError, match="second score table lacks frame 1 of video 'b' \\(DemoFF\\), which the other"):
        pair_scores(full, full.drop(index=[3, 6]))
    with pytest.raises(InputError, match="first score table lacks frame 0 of video 'd'"):
        pair_scores(full.drop(index=6), full)
    unread = score_rows([1], [None], ["e"], frames=[-1])
    with pytest.raises(InputError, match="second score table lacks video 'e'"):
        pair_scores(pd.concat([full, unread]), full)


def test_other_sets_labels_and_conditions_are_refused() -> None:
    full = small(EIGHT)
    with pytest.raises(InputError, match="differ in 'dataset': DemoFF in the first, DemoX in the second"):
        pair_scores(full, small(EIGHT, dataset="DemoX"))
    with pytest.raises(InputError, match="differ in 'perturbation': none in the first, jpeg in the second"):
        pair_scores(full, small(EIGHT, perturbation="jpeg"))
    with pytest.raises(InputError, match="label frame 0 of video 'a' \\(DemoFF\\) differently"):
        pair_scores(full, small(EIGHT, label=1 - full["label"]))
    several = small(EIGHT, level=[0, 1] * 4)
    with pytest.raises(InputError, match="several values of 'level'"):
        pair_scores(several, several)


def test_too_few_videos_and_other_metrics_are_refused() -> None:
    one_class = small(EIGHT, label=0)
    with pytest.raises(InputError, match="at least two real and two fake videos with a face, not 4 and 0"):
        compare_auc(*pair_scores(one_class, one_class))
    with pytest.raises(InputError, match="not 3 and 1"):
        delong_test([0, 0, 0, 1], [0.1] * 4, [0.2] * 4)
    full = small(EIGHT)
    with pytest.raises(InputError, match="unknown metric to compare 'frame_eer'; did you mean 'frame_auc'"):
        compare_auc(*pair_scores(full, full), "frame_eer")
