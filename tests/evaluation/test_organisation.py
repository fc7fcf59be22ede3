"""How features are organised: against numbers worked out by hand, formulas tuple by tuple, and what noise must give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from evaluation.organisation import CHANCE, KINDS, Organisation, organisation


def on_a_line(*places: tuple[float, ...]) -> np.ndarray:
    """Tuples whose kinds lie at some places along (3, 4), from (1, 1) on."""
    return np.array(places)[..., None] * [3.0, 4.0] + 1


def measured(features: np.ndarray, videos: list[int] | None = None) -> Organisation:
    return organisation(features, np.array(videos or range(len(features))))


def test_places_on_a_line_and_their_order():
    in_order, crossed, level = (0, 1, 2, 4), (0, 3, 2, 4), (0, 1, 1, 4)
    found = measured(on_a_line(in_order, in_order, crossed, level))
    assert found.positions == pytest.approx((0, 1.5 / 4, 1.75 / 4, 1))
    assert found.in_order == 0.5


def test_only_what_lies_along_the_line_counts():
    features = on_a_line((0, 1, 2, 3), (0, 2, 1, 3))
    aside = np.array([[0, 5, -2, 0], [0, -9, 4, 0]])[..., None] * [4.0, -3.0]
    assert measured(features + aside).positions == pytest.approx(measured(features).positions)
    assert measured(features + aside).in_order == 0.5


def test_a_video_has_the_line_of_the_others():
    forward, backward = (0.0, 1.0, 2.0, 3.0), (3.0, 2.0, 1.0, 0.0)
    features = on_a_line(forward, forward, backward, backward, backward)
    # Of single tuples: for each forward one the others point back, for each backward one they cancel out.
    assert measured(features).in_order == 0.0
    # Two videos: the line of each is the other's, along which it goes the wrong way.
    assert measured(features, [0, 0, 1, 1, 1]).in_order == 0.0
    # The other video of the first points nowhere, so that it has no order; the second has the first's line.
    assert measured(on_a_line(forward, forward, backward), [0, 1, 1]).in_order == pytest.approx(1 / 3)
    assert measured(on_a_line(forward, forward, forward, backward)).in_order == 0.75


def test_the_order_is_that_of_a_loop_over_tuples():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 4, 3)) + np.arange(4)[:, None]
    videos = rng.integers(0, 7, 40)
    right = 0
    for one, video in zip(features, videos, strict=True):
        others = features[videos != video]
        along = one @ (others[:, 3].mean(axis=0) - others[:, 0].mean(axis=0))
        right += along[0] < along[1] < along[2] < along[3]
    assert 0 < right < 40
    assert organisation(features, videos).in_order == right / 40


def test_noise_has_no_order_however_many_dimensions():
    features = np.random.default_rng(1).normal(size=(400, 4, 600))
    found = measured(features)
    assert found.in_order == pytest.approx(CHANCE, abs=4 * np.sqrt(CHANCE * (1 - CHANCE) / 400))
    own = features @ (features[:, 3] - features[:, 0]).mean(axis=0)
    assert (np.diff(own, axis=1) > 0).all(axis=1).mean() > 4 * CHANCE  # along the line through all points


def test_the_silhouette_is_rousseeuws_of_four_kinds():
    features = np.random.default_rng(2).normal(size=(9, 4, 5)) + np.arange(4)[:, None]
    values, kinds, widths = features.reshape(-1, 5), np.tile(np.arange(4), 9), []
    for row, own in zip(cdist(values, values), kinds, strict=True):
        inside = row[kinds == own].sum() / 8
        outside = min(row[kinds == other].mean() for other in range(4) if other != own)
        widths.append((outside - inside) / max(inside, outside))
    assert measured(features).silhouette == pytest.approx(np.mean(widths))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.1, 50), st.floats(-100, 100))
def test_place_scale_and_rotation_do_not_matter(seed: int, scale: float, shift: float):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(12, 4, 3)) + 3 * np.arange(4)[:, None]
    turned = features @ np.linalg.qr(rng.normal(size=(3, 3)))[0] * scale + shift
    before, after = measured(features), measured(turned)
    assert after.positions == pytest.approx(before.positions, abs=1e-6)
    assert (after.silhouette, after.in_order) == (pytest.approx(before.silhouette), before.in_order)


def test_what_cannot_be_measured_is_none():
    assert len(KINDS) == 4
    single = measured(on_a_line((0, 1, 2, 3)))
    assert (single.silhouette, single.in_order) == (None, None)
    assert single.positions == pytest.approx((0, 1 / 3, 2 / 3, 1))
    assert measured(on_a_line((0, 1, 2, 0), (0, 2, 1, 0))).positions is None
    assert measured(on_a_line((0, 1, 2, 3), (0, 1, 2, 3)), [5, 5]).in_order is None
