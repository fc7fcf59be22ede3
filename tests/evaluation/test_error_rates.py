"""The threshold of equal errors, by hand, by trying every threshold, and at its edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from evaluation.error_rates import ErrorRates, equal_error_threshold, error_rates, threshold_of
from tests.score_rows import score_rows

LABELS = [0, 0, 0, 0, 1, 1, 1, 1]
SCORES = [0.1, 0.2, 0.3, 0.7, 0.25, 0.6, 0.8, 0.9]


def test_the_threshold_is_where_both_shares_are_equal():
    # Above 0.3 lie one of four reals (0.7) and three of four fakes: a quarter of each is wrong.
    assert equal_error_threshold(LABELS, SCORES) == 0.3
    assert error_rates(LABELS, SCORES, 0.3) == ErrorRates(0.25, 0.25, 4, 4)


def test_a_score_at_the_threshold_is_called_real():
    assert error_rates([0, 1], [0.5, 0.5], 0.5) == ErrorRates(0.0, 1.0, 1, 1)
    assert error_rates([0, 1], [0.5, 0.5], 0.4) == ErrorRates(1.0, 0.0, 1, 1)


def test_of_equally_near_shares_the_smaller_sum_is_taken_and_then_the_lower_threshold():
    # Above 0.3: 1 of one real and 1/2 of two fakes are wrong; above 0.5: 0 and 1/2.
    assert equal_error_threshold([0, 1, 1], [0.5, 0.3, 0.9]) == 0.5
    # Above 0.1: 1/2 and 0; above 0.5: 0 and 1/2.
    assert equal_error_threshold([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]) == 0.1


def test_equal_scores_give_that_score():
    assert equal_error_threshold([0, 1, 1], [0.5, 0.5, 0.5]) == 0.5


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=1, max_size=12)
)
def test_no_other_threshold_is_nearer(samples: list[tuple[int, float]]):
    labels, scores = np.array([0, 1, *(label for label, _ in samples)]), np.array([0.3, 0.6, *(s for _, s in samples)])
    chosen = equal_error_threshold(labels, scores)
    assert chosen in scores

    def judged(threshold: float) -> tuple[float, float, float]:
        real, fake = (scores > threshold)[labels == 0].mean(), (scores <= threshold)[labels == 1].mean()
        return round(abs(real - fake), 9), round(real + fake, 9), threshold

    for other in np.linspace(0, 1, 41):
        assert judged(chosen)[:2] <= judged(other)[:2]
    assert judged(chosen) == min(judged(score) for score in scores)


def test_nothing_has_no_share():
    assert error_rates([1, 1], [0.2, 0.8], 0.5) == ErrorRates(None, 0.5, 0, 2)


def test_frames_and_videos_have_thresholds_of_their_own():
    val = score_rows([0, 0, 1, 1], [0.1, 0.7, 0.2, 0.9], ["a", "a", "b", "b"])
    assert threshold_of(val, "frame") == 0.2  # 0.7 and 0.2 are wrong
    assert threshold_of(val, "video") == pytest.approx(0.4)  # the means 0.4 and 0.55


@pytest.mark.parametrize(("label", "missing"), [(0, "fake"), (1, "real")])
def test_a_val_split_of_one_class_is_refused(label: int, missing: str):
    with pytest.raises(
        InputError, match=f"no threshold can be chosen on DemoFF: its val split has no {missing} sample"
    ):
        threshold_of(score_rows([label, label], [0.1, 0.2]), "frame")
