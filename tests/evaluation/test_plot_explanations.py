"""What the figures of explanations draw, in numbers."""

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.axes import Axes

from evaluation.plots.explanations import (
    HEAT_MAP,
    HEAT_SHARE,
    Confidence,
    Errors,
    LevelCurve,
    confidence_rows,
    error_bars,
    heat_overlay,
    level_panels,
)
from evaluation.plots.style import png_bytes

GREY = np.full((64, 32, 3), 200, np.uint8)


def colour_of(heat: float) -> np.ndarray:
    return np.round(HEAT_SHARE * np.array(colormaps[HEAT_MAP](heat)[:3]) * 255 + (1 - HEAT_SHARE) * 200)


def test_heat_is_mixed_over_the_grey_image_where_it_belongs():
    heat = np.array([[1.0], [0.0]], np.float32)  # the upper half is hot
    drawn = heat_overlay(GREY, heat)
    assert drawn.shape == GREY.shape
    np.testing.assert_array_equal(drawn[-1], np.tile(colour_of(0.0), (32, 1)))
    assert (drawn[0] == 255).all()  # the line runs along the border
    np.testing.assert_array_equal(drawn[2, 2:-2], np.tile(colour_of(1.0), (28, 1)))
    line = (drawn[:, 16] == 255).all(axis=1)
    assert np.flatnonzero(line).tolist() == [0, 31]  # the last row above 0.5, halfway between the cells' centres


def test_without_heat_there_is_no_line():
    drawn = heat_overlay(GREY, np.zeros((3, 3), np.float32))
    np.testing.assert_array_equal(drawn, np.broadcast_to(colour_of(0.0), GREY.shape))


def shares(axes: Axes) -> list[np.ndarray]:
    filled = [patch for patch in axes.patches if patch.get_fill() and not patch.get_hatch()]
    return [patch.get_data() for patch in filled]  # type: ignore[attr-defined]


def test_logits_are_binned_and_what_is_infinite_stands_at_the_ends():
    logits = np.array([-2.5, 0.4])
    one = Confidence("xception on X", np.append(1 / (1 + np.exp(-logits)), [0.0, 0.0]), np.array([1.0, 0.5]))
    assert one.saturated() == 3
    figure = confidence_rows([one])
    scores, differences = figure.axes
    assert figure.subfigs[0].get_suptitle() == "xception on X   3 of 6 scores are exactly 0 or 1"
    assert shares(scores)[0].values.sum() == pytest.approx(1)
    real, fake = shares(differences)
    assert real.values.sum() == fake.values.sum() == pytest.approx(1)
    assert (real.values[0], fake.values[-1]) == (0.5, 0.5)
    labels = {text.get_text(): place for text, place in zip(differences.get_xticklabels(), differences.get_xticks())}  # noqa: B905
    assert real.edges[0] < labels["\u2212\u221e"] < real.edges[1] < -3
    assert real.edges[-2] > 1
    assert real.edges[-2] < labels["\u221e"] < real.edges[-1]
    for value in logits:
        assert real.values[np.searchsorted(real.edges, value) - 1] == 0.25


def test_finite_logits_have_no_bins_at_the_ends():
    one = Confidence("x", np.array([0.2, 0.4]), np.array([0.7]))
    assert one.saturated() == 0
    figure = confidence_rows([one, one])
    assert [part.get_suptitle() for part in figure.subfigs] == ["x", "x"]
    assert not any("\u221e" in label.get_text() for axes in figure.axes for label in axes.get_xticklabels())


@pytest.mark.parametrize("scores", [([], [1.0]), ([0.5], [0.5]), ([0.0], [1.0])])
def test_few_scores_are_drawn(scores: tuple[list[float], list[float]]):
    assert png_bytes(confidence_rows([Confidence("x", *map(np.array, scores))]))


def test_bars_are_the_shares_of_each_class_set_and_detector():
    figure = error_bars(
        ["A", "B"], [Errors("one", [0.25, 0.5], [0.1, None]), Errors("two", [0.0, 1.0], [1.0, 0.2])], "c"
    )
    reals, fakes = figure.axes
    assert [bar.get_width() for bar in reals.patches] == [0.25, 0.5, 0.0, 1.0]  # type: ignore[attr-defined]
    assert [text.get_text() for text in fakes.texts] == ["10.0%", "\u2013", "100.0%", "20.0%"]
    assert [label.get_text() for label in reals.get_yticklabels()] == ["A", "B"]
    low, high = reals.get_xlim()
    assert low > high  # reals to the left
    middles = [bar.get_y() + bar.get_height() / 2 for bar in reals.patches]  # type: ignore[attr-defined]
    assert np.round(middles).tolist() == [0, 1, 0, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    assert figure.get_supxlabel() == "c"
    with pytest.raises(ValueError, match="'one' needs a share, or None, for each of 3 sets"):
        error_bars(["A", "B", "C"], [Errors("one", [0.1, 0.2], [0.1, 0.2])])


def test_each_perturbation_has_a_panel_with_a_line_for_each_detector():
    curves = [
        LevelCurve("one", "blur", [0, 1, 2], [0.9, 0.8, None], [None, 0.1, None]),
        LevelCurve("two", "blur", [0, 1, 2], [0.9, 0.7, 0.6], [None, None, None]),
        LevelCurve("one", "noise", [0, 1], [0.9, 0.5], [None, 0.2]),
    ]
    figure = level_panels(curves, "frame AUC", "below")
    blur, noise = (axes for axes in figure.axes if axes.lines)
    assert [axes.get_title(loc="left") for axes in (blur, noise)] == ["blur", "noise"]
    np.testing.assert_array_equal(blur.lines[0].get_ydata(), [0.9, 0.8, np.nan])
    np.testing.assert_array_equal(noise.lines[0].get_xdata(), [0, 1])
    assert blur.lines[0].get_color() == noise.lines[0].get_color() != blur.lines[1].get_color()
    assert blur.get_ylabel() == "frame AUC"
    band = noise.collections[0].get_paths()[0].vertices
    assert {tuple(np.round(point, 6)) for point in band} >= {(1.0, 0.3), (1.0, 0.7), (0.0, 0.9)}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_a_single_level_has_a_bar_for_the_deviation():
    (axes,) = level_panels([LevelCurve("one", "shift", [1], [0.5], [0.2])], "mPD").axes
    (bar,) = axes.collections
    np.testing.assert_allclose(bar.get_segments(), [[[1, 0.3], [1, 0.7]]])
    (alone,) = level_panels([LevelCurve("one", "shift", [1], [0.5], [None])], "mPD").axes
    assert not alone.collections
