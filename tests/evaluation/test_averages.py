from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from evaluation.averages import (
    ECE_BINS,
    Average,
    Reliability,
    accuracy,
    brier_score,
    expected_calibration_error,
    rate_above,
)

# Multiples of 1/15 lie on the edges of the bins.
SCORE = st.floats(0, 1) | st.integers(0, ECE_BINS).map(lambda k: k / ECE_BINS)
SAMPLES = st.lists(st.tuples(st.integers(0, 1), SCORE, st.integers(0, 4)), min_size=1, max_size=60).map(
    lambda rows: tuple(np.array(column) for column in zip(*rows, strict=True))
)


def test_brier_score_worked_out_by_hand() -> None:
    # (0.2² + 0.4² + 0.1²) / 3
    assert brier_score(np.array([0, 1, 1]), np.array([0.2, 0.6, 0.9])).value() == pytest.approx(0.07)


@given(SAMPLES)
def test_brier_score_and_accuracy_agree_with_scikit_learn(data: tuple[np.ndarray, ...]) -> None:
    labels, scores, _ = data
    assert brier_score(labels, scores).value() == pytest.approx(sk.brier_score_loss(labels, scores, labels=[0, 1]))
    assert accuracy(labels, scores).value() == pytest.approx(sk.accuracy_score(labels, scores > 0.5))


def test_calibration_error_worked_out_by_hand() -> None:
    labels, scores = np.array([0, 1, 0, 1, 1]), np.array([0.01, 0.06, 0.31, 0.32, 0.97])
    # bin 1: mean 0.035, share 1/2; bin 5: mean 0.315, share 1/2; bin 15: mean 0.97, share 1
    expected = 2 / 5 * 0.465 + 2 / 5 * 0.185 + 1 / 5 * 0.03
    assert expected_calibration_error(labels, scores).value() == pytest.approx(expected)


def test_calibration_is_of_p_fake_not_of_the_likelier_class() -> None:
    # Reals at 0.1 and fakes at 0.9: each bin is 0.1 off. Confidence in the likelier class would see one bin, 0.9 sure.
    labels, scores = np.array([0, 0, 1, 0]), np.array([0.1, 0.1, 0.9, 0.9])
    assert expected_calibration_error(labels, scores).value() == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)


@pytest.mark.parametrize(("score", "expected"), [(0.0, 0), (1 / 15, 0), (1 / 15 + 1e-9, 1), (14 / 15, 13), (1.0, 14)])
def test_bins_are_closed_on_the_right(score: float, expected: int) -> None:
    assert expected_calibration_error(np.array([1]), np.array([score])).bins.tolist() == [expected]


@given(SAMPLES)
def test_calibration_error_is_the_sum_over_bins_that_the_definition_says(data: tuple[np.ndarray, ...]) -> None:
    labels, scores, _ = data
    edges = np.linspace(0, 1, ECE_BINS + 1)
    expected = 0.0
    for low, high in pairwise(edges):
        inside = (scores <= high) & ((scores > low) | (low == 0))
        if inside.any():
            expected += inside.mean() * abs(scores[inside].mean() - labels[inside].mean())
    assert expected_calibration_error(labels, scores).value() == pytest.approx(expected, abs=1e-12)


def test_reliability_worked_out_by_hand() -> None:
    found = Reliability.of(np.array([0, 1, 0, 1, 1]), np.array([0.0, 0.06, 0.31, 0.32, 1.0]))
    assert found.counts.tolist() == [2, 0, 0, 0, 2, *[0] * 9, 1]
    np.testing.assert_allclose(found.predicted, [0.03, *[np.nan] * 3, 0.315, *[np.nan] * 9, 1])
    np.testing.assert_allclose(found.observed, [0.5, *[np.nan] * 3, 0.5, *[np.nan] * 9, 1])


@given(SAMPLES)
def test_the_bins_add_up_to_the_calibration_error(data: tuple[np.ndarray, ...]) -> None:
    labels, scores, _ = data
    expected = expected_calibration_error(labels, scores).value()
    assert Reliability.of(labels, scores).error() == pytest.approx(expected, abs=1e-12)


def test_no_samples_have_no_calibration_error() -> None:
    assert Reliability.of(np.array([], int), np.array([])).error() is None


def test_a_rate_counts_scores_above_the_threshold_among_its_members() -> None:
    scores, labels = np.array([0.2, 0.5, 0.5, 0.7]), np.array([0, 0, 1, 1])
    assert rate_above(0.5, scores, labels == 1).value() == 0.5
    assert rate_above(0.5, scores, labels == 0).value() == 0.0
    assert rate_above(0.4, scores, labels == 0).value() == 0.5


def test_a_rate_of_nobody_is_none() -> None:
    assert rate_above(0.5, np.array([0.2]), np.array([False])).value() is None
    assert brier_score(np.zeros(0, np.int64), np.zeros(0)).value() is None


@given(SAMPLES, st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_sums_of_videos_know_every_resample(data: tuple[np.ndarray, ...], times: list[int]) -> None:
    labels, scores, videos = data
    drawn = np.array(times)
    repeats = drawn[videos]
    if not repeats.any():
        return

    def of(labels: np.ndarray, scores: np.ndarray) -> list[Average]:
        return [expected_calibration_error(labels, scores), brier_score(labels, scores), accuracy(labels, scores)]

    resampled = of(np.repeat(labels, repeats), np.repeat(scores, repeats))
    for average, expected in zip(of(labels, scores), resampled, strict=True):
        sums, counts = average.by_video(videos, 5)
        assert np.abs(drawn @ sums).sum() / (drawn @ counts) == pytest.approx(expected.value(), abs=1e-12)
