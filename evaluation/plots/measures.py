"""Figures of metrics: calibration bin by bin, and bars with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from evaluation.averages import ECE_BINS, Reliability
from evaluation.plots.style import (
    INK,
    abreast_in_legend,
    add_legend_below,
    looks,
    new_figure,
    plain,
    set_title,
    styled,
)
from evaluation.tables import Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """A named reliability curve; its calibration error is added to the name."""

    name: str
    bins: Reliability


def reliability_figure(curves: Sequence[Calibration], title: str = "") -> Figure:
    """The share of fakes against the mean P(fake) in bins of equal width, and below how many samples each bin has.

    Where scores are probabilities, the points lie on the diagonal; above it, there are more fakes than the scores say.
    """
    with styled():
        figure = new_figure(4.6, 5.35)
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        axes.plot([0, 1], [0, 1], color="#B0B0B0", linewidth=0.9)
        edges = np.linspace(0, 1, ECE_BINS + 1)
        for curve, look in zip(curves, looks(len(curves)), strict=True):
            bins = curve.bins
            filled, share = bins.counts > 0, bins.counts / max(int(bins.counts.sum()), 1)
            line: dict[str, Any] = {**look.line(), "linewidth": 1.5}
            axes.plot(bins.predicted[filled], bins.observed[filled], marker=look.marker, ms=4.5, clip_on=False, **line)
            below.stairs(share, edges, **line)
        axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="Share of fakes")
        below.set(xlabel="Mean score P(fake) of the bin", ylabel="Samples", ylim=(0, None))
        below.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if curves:
            names = [f"{_printed(curve.bins.error())}   {curve.name}" for curve in curves]
            add_legend_below(figure, axes.lines[1:], names, "ECE")
        set_title(axes, title)
    return figure


@dataclass(frozen=True, slots=True)
class Bars:
    """A named series of bars, one for each category.

    Attributes:
        name: what the legend says.
        values: one for each category, in [0, 1]; None where there is none.
        intervals: for each value its interval, or None.
    """

    name: str
    values: Sequence[float | None]
    intervals: Sequence[Interval | None]


def bar_figure(
    categories: Sequence[str], series: Sequence[Bars], axis: str, title: str = "", chance: float | None = None
) -> Figure:
    """Horizontal bars side by side within each category, with their intervals and values.

    Args:
        categories: names of the groups of bars, from top to bottom.
        series: one or more.
        axis: what the bars measure.
        title: heading.
        chance: where a detector that knows nothing lies, drawn as a line.

    Raises:
        ValueError: a series has not as many values or intervals as there are categories.
    """
    for each in series:
        if not len(each.values) == len(each.intervals) == len(categories):
            raise ValueError(f"'{each.name}' needs a value and an interval, or None, for each of {len(categories)}")
    with styled():
        thick = 0.2  # inches
        abreast = abreast_in_legend([each.name for each in series], 6.4)
        lines = -(-len(series) // abreast)
        figure = new_figure(6.4, 0.95 + len(categories) * (thick * len(series) + 0.14) + 0.19 * lines)
        axes = figure.add_subplot()
        step = 1 / (len(series) + 0.7)
        for number, (each, look) in enumerate(zip(series, looks(len(series)), strict=True)):
            places = np.arange(len(categories)) + (number - (len(series) - 1) / 2) * step
            lengths = [0.0 if value is None else value for value in each.values]
            axes.barh(places, lengths, step * 0.92, label=each.name, **look.bar())
            for place, value, interval in zip(places, each.values, each.intervals, strict=True):
                if interval:
                    axes.plot([interval.low, interval.high], [place, place], color=INK, linewidth=1.2, clip_on=False)
                end = max(value or 0.0, interval.high if interval else 0.0)
                axes.text(end + 0.012, place, _printed(value, 3), va="center", fontsize=7.5)
        if chance is not None:
            axes.axvline(chance, color="#8C8C8C", linewidth=0.9, linestyle=(0, (2, 2)))
        axes.set(xlim=(0, 1.08), ylim=(len(categories) - 0.5, -0.5), xlabel=axis, xticks=np.linspace(0, 1, 6))
        axes.set_yticks(range(len(categories)), categories)
        for label in axes.get_yticklabels():
            plain(label)
        axes.grid(axis="y", visible=False)
        plain(figure.legend(loc="outside upper left", ncols=abreast))
        set_title(axes, title)
    return figure


def _printed(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
