"""Figures of a metric over the values of a key that is swept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.plots.explanations import draw_curve, panel_grid
from evaluation.plots.style import Look, abreast_in_legend, looks, plain, share_legend, styled

Value = float | str
"""A number, or what else the key may be given in words."""


@dataclass(frozen=True, slots=True)
class SweepCurve:
    """A metric over the values of a key.

    Attributes:
        name: of the sweep.
        panel: what it is measured on.
        values: of the key.
        means: for each value the metric, over several seeds its mean; None where there is none.
        deviations: for each value the standard deviation over the seeds; None for a single one.
    """

    name: str
    panel: str
    values: Sequence[Value]
    means: Sequence[float | None]
    deviations: Sequence[float | None]


def sweep_panels(curves: Sequence[SweepCurve], axis: str, key: str, caption: str = "") -> Figure:
    """A panel for each test set, each with its own scale, and a line for each sweep.

    Numbers stand at their place; if any value is no number, all stand evenly, in the order in which they come.

    Args:
        curves: in any order; a sweep has one look in all panels.
        axis: what the metric is.
        key: what is swept, in words.
        caption: what stands below.
    """
    titles, names = (list(dict.fromkeys(found)) for found in zip(*((c.panel, c.name) for c in curves), strict=True))
    values = list(dict.fromkeys(value for curve in curves for value in curve.values))
    has_words = any(isinstance(value, str) for value in values)
    place_of = {value: float(place if has_words else value) for place, value in enumerate(values)}
    with styled():
        figure, panels = panel_grid(titles, names, axis, caption, share_axis=False)
        look_of = dict(zip(names, looks(len(names)), strict=True))
        for title, axes in panels.items():
            for curve in (one for one in curves if one.panel == title):
                _draw(axes, curve, place_of, look_of[curve.name])
            axes.set_xlabel(key)
            if has_words:
                axes.set_xticks(range(len(values)), [str(value) for value in values], rotation=30, ha="right")
                for label in axes.get_xticklabels():
                    plain(label)
        share_legend(figure, "outside upper left", abreast_in_legend(names, figure.get_figwidth()))
    return figure


def _draw(axes: Axes, curve: SweepCurve, place_of: Mapping[Value, float], look: Look) -> None:
    """A line from the lowest place to the highest."""
    places = np.array([place_of[value] for value in curve.values])
    order = np.argsort(places)
    means, deviations = ([given[index] for index in order] for given in (curve.means, curve.deviations))
    draw_curve(axes, curve.name, places[order].tolist(), means, deviations, look)
