"""Metrics by perturbation and level: each draw by itself, then their mean and deviation."""

import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from config.perturbation import CLEAN
from evaluation.metrics import evaluate_scores
from evaluation.robustness import conditions, reduction
from tests.score_rows import score_rows

LABELS = [0, 0, 1, 1]


def view(scores: list[float | None], perturbation: str = CLEAN, level: int = 0, draw: int = 0) -> pd.DataFrame:
    return score_rows(LABELS, scores).assign(perturbation=perturbation, level=level, draw=draw)


def test_each_level_has_the_mean_and_sample_deviation_of_its_draws():
    table = pd.concat(
        [
            view([0.9, 0.1, 0.8, 0.2], "noise", 2, 0),  # two of four pairs in order
            view([0.1, 0.2, 0.8, 0.9]),
            view([0.1, 0.3, 0.2, 0.9], "noise", 2, 1),
            view([0.1, 0.2, 0.8, 0.9], "noise", 2, 2),
            view([0.5, 0.5, 0.5, 0.5], "blur", 1),
        ]
    )
    clean, noise, blur = conditions(table)
    assert [(c.perturbation, c.level, c.draws) for c in (clean, noise, blur)] == [
        (CLEAN, 0, 1),
        ("noise", 2, 3),
        ("blur", 1, 1),
    ]
    assert (clean.is_clean, noise.is_clean) == (True, False)
    assert (clean.mean("frame_auc"), clean.deviation("frame_auc")) == (1.0, None)
    assert noise.mean("frame_auc") == pytest.approx((0.5 + 0.75 + 1) / 3)
    assert noise.deviation("frame_auc") == pytest.approx(np.std([0.5, 0.75, 1], ddof=1))
    assert (blur.mean("frame_auc"), blur.deviation("frame_auc")) == (0.5, None)
    assert blur.metrics == (evaluate_scores(view([0.5] * 4)),)


def test_text_as_categories_keeps_the_order_of_the_table():
    table = pd.concat([view([0.1, 0.2, 0.8, 0.9]), view([0.5] * 4, "z", 1), view([0.5] * 4, "a", 1)])
    coded = table.astype({"perturbation": "category"})
    assert [entry.perturbation for entry in conditions(coded)] == [CLEAN, "z", "a"]


def test_a_metric_that_a_draw_lacks_has_no_mean():
    reals = pd.concat([view([0.1, 0.2, 0.8, 0.9])[:2], view([0.1, 0.2, 0.8, 0.9], "noise", 1)[:2]])
    for condition in conditions(reals):
        assert condition.mean("frame_auc") is None
        assert condition.deviation("frame_auc") is None
        assert condition.mean("frame_acc") == 1.0


def test_without_clean_rows_there_is_nothing_to_compare_with():
    with pytest.raises(InputError, match="no clean crops"):
        conditions(view([0.1, 0.2, 0.8, 0.9], "noise", 1))


def test_reduction_is_the_share_lost():
    assert reduction(0.8, 0.6) == pytest.approx(-0.25)
    assert reduction(0.8, 0.8) == 0
    assert reduction(None, 0.5) is None
    assert reduction(0.5, None) is None
    assert reduction(0.0, 0.5) is None
