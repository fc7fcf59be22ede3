"""What the panels of sweeps draw, in numbers."""

import numpy as np
import pytest

from evaluation.plots.style import png_bytes
from evaluation.plots.sweeps import SweepCurve, sweep_panels

NONE = [None, None, None]


def test_numbers_stand_at_their_place_in_a_panel_for_each_test_set():
    curves = [
        SweepCurve("one", "A", [1, 0.0, 2.0], [0.9, 0.8, None], [0.1, None, None]),
        SweepCurve("one", "B", [1, 0.0, 2.0], [0.6, 0.5, 0.4], NONE),
        SweepCurve("two", "B", [0.5], [0.7], [0.05]),
    ]
    figure = sweep_panels(curves, "frame AUC", "options.margin", "below")
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["A", "B"]
    np.testing.assert_array_equal(first.lines[0].get_xdata(), [0, 1, 2])
    np.testing.assert_array_equal(first.lines[0].get_ydata(), [0.8, 0.9, np.nan])
    band = {tuple(np.round(point, 6)) for point in first.collections[0].get_paths()[0].vertices}
    assert band >= {(1.0, 0.8), (1.0, 1.0), (0.0, 0.8)}
    one, two = (line for line in second.lines if line.get_label() in {"one", "two"})
    assert (one.get_ydata().tolist(), two.get_ydata().tolist()) == ([0.5, 0.6, 0.4], [0.7])
    (bar,) = second.collections[-1].get_segments()
    np.testing.assert_allclose(bar, [[0.5, 0.65], [0.5, 0.75]])
    assert first.lines[0].get_color() == one.get_color() != two.get_color()
    assert first.get_ylim() != second.get_ylim()
    assert (first.get_ylabel(), first.get_xlabel(), figure.get_supxlabel()) == ("frame AUC", "options.margin", "below")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


@pytest.mark.parametrize("last", ["sbi$", "null"])
def test_words_stand_evenly_in_the_order_in_which_they_come(last: str):
    curves = [
        SweepCurve("one", "A", ["cbi", 300, last], [0.9, 0.8, 0.7], NONE),
        SweepCurve("two", "A", [last, "cbi"], [0.6, 0.5], [None, None]),
    ]
    figure = sweep_panels(curves, "frame AUC", "value")
    (axes,) = figure.axes
    assert [(label.get_position()[0], label.get_text()) for label in axes.get_xticklabels()] == [
        (0, "cbi"),
        (1, "300"),
        (2, last),
    ]
    np.testing.assert_array_equal(axes.lines[1].get_xdata(), [0, 2])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [0.5, 0.6])
    assert png_bytes(figure)
