"""Figures of scores: ROC and DET curves, histograms, timelines."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from evaluation.plots.style import (
    BLUE,
    FAKE_COLOUR,
    INK,
    REAL_COLOUR,
    VERMILION,
    add_legend_below,
    looks,
    new_figure,
    paler,
    plain,
    set_title,
    styled,
)
from evaluation.roc import OperatingPoints

MOST_IN_CORNER, LONGEST_IN_CORNER = 6, 34  # curves, and letters of the longest name with its figure
DET_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Curve:
    """A named ROC curve.

    Attributes:
        name: what is measured ("DemoFF", "xception on CDFv2"); the AUC is added to it.
        points: the operating points, with both classes there.
    """

    name: str
    points: OperatingPoints


def roc_figure(curves: Sequence[Curve], title: str = "") -> Figure:
    """True against false positive rate, in the order given, the AUC in the legend."""
    with styled():
        figure = new_figure(4.6, 4.8)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#B0B0B0", linewidth=0.9)
        for curve, look in zip(curves, looks(len(curves)), strict=True):
            fpr, tpr = curve.points.roc()
            axes.plot(fpr, tpr, **look.line(), linewidth=1.8, solid_joinstyle="round", clip_on=False)
        names = [f"{curve.points.auc():.4f}   {curve.name}" for curve in curves]
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set(xlabel="False positive rate (real taken for fake)", ylabel="True positive rate (fake found)")
        ticks = np.linspace(0, 1, 6)
        axes.set(xticks=ticks, yticks=ticks)
        _name_lines(figure, axes.lines[1:], names, "AUC", "lower right")
        set_title(axes, title)
    return figure


def det_figure(curves: Sequence[Curve], title: str = "") -> Figure:
    """False negative against false positive rate on normal-deviate axes, with each curve's point of equal error.

    Scores that are normal in both classes give straight lines (Martin et al., Eurospeech 1997). The axes begin at the
    smallest rate that any of the test sets can tell from none, but not below 0.1 %, and end at 90 %; a rate of 0 lies
    on their edge.
    """
    with styled():
        figure = new_figure(4.6, 4.8)
        axes = figure.add_subplot()
        low, high = _smallest_rate(curves), DET_TICKS[-1]
        edges = probit(np.array([low, high]))
        axes.plot(edges, edges, color="#B0B0B0", linewidth=0.9)
        names = []
        for curve, look in zip(curves, looks(len(curves)), strict=True):
            fpr, tpr = curve.points.roc()
            equal = curve.points.equal_error_point()
            axes.plot(probit(fpr), probit(1 - tpr), **look.line(), linewidth=1.8)
            x, y = probit(np.clip(equal, low, high))
            axes.plot([x], [y], "o", color=look.colour, markersize=6, markeredgecolor="white", clip_on=False, zorder=3)
            names.append(f"{equal[0]:.4f}   {curve.name}")
        ticks = [rate for rate in DET_TICKS if rate >= low]
        for axis, set_limits in ((axes.xaxis, axes.set_xlim), (axes.yaxis, axes.set_ylim)):
            axis.set_ticks(probit(np.array(ticks)).tolist(), [f"{100 * rate:g}" for rate in ticks])
            set_limits(*edges)
        axes.set(xlabel="False positive rate, % (real taken for fake)", aspect="equal")
        axes.set(ylabel="False negative rate, % (fake missed)")
        _name_lines(figure, axes.lines[1::2], names, "EER", "upper right")
        set_title(axes, title)
    return figure


def probit(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard normal deviates of some rates, 0 and 1 as those of one and of all but one in 10^9."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse(rate) for rate in np.clip(rates, 1e-9, 1 - 1e-9).tolist()])


def _name_lines(
    figure: Figure,
    lines: Sequence[Line2D],
    names: Sequence[str],
    title: str,
    corner: Literal["lower right", "upper right"],
) -> None:
    """A legend in the corner that curves leave free, or below the figure's only axes if it would not fit there."""
    if not names:
        return
    if len(names) <= MOST_IN_CORNER and max(map(len, names)) <= LONGEST_IN_CORNER:
        legend = figure.axes[0].legend(lines, names, loc=corner, frameon=True, title=title, alignment="left")
        legend.get_frame().set(linewidth=0, alpha=0.85)
        plain(legend)
    else:
        add_legend_below(figure, lines, names, title)


def _smallest_rate(curves: Sequence[Curve]) -> float:
    """The highest tick that no curve's smallest rate, that of a single sample, lies below."""
    counts = [(curve.points.false_positives[-1], curve.points.true_positives[-1]) for curve in curves]
    smallest = 1 / max((int(count) for pair in counts for count in pair), default=1000)
    return max((rate for rate in DET_TICKS[:6] if rate <= smallest), default=DET_TICKS[0])


def score_histogram(real: NDArray[np.float64], fake: NDArray[np.float64], title: str = "", bins: int = 25) -> Figure:
    """How the scores of the real and of the fake samples are spread, each as shares of its own class.

    Args:
        real: (N,) P(fake) of real samples.
        fake: (M,) P(fake) of fake samples.
        title: heading.
        bins: number of equal bins over [0, 1].
    """
    with styled():
        figure = new_figure(5.6, 3.2)
        axes = figure.add_subplot()
        draw_shares(axes, real, fake, np.linspace(0, 1, bins + 1), 0.5)
        axes.set(xlim=(0, 1), xlabel="Score, P(fake)", ylabel="Share of the class")
        set_title(axes, title, pad=24)
    return figure


def draw_shares(
    axes: Axes, real: NDArray[np.float64], fake: NDArray[np.float64], edges: NDArray[np.float64], border: float
) -> None:
    """Draw how the values of both classes are spread over bins, each as shares of its own class.

    Args:
        axes: where.
        real: (N,) values of the reals.
        fake: (M,) values of the fakes.
        edges: (K + 1,) of the bins.
        border: a line between what speaks for real and for fake.
    """
    shares = [np.histogram(values, edges)[0] / max(len(values), 1) for values in (real, fake)]
    for share, colour in zip(shares, (REAL_COLOUR, FAKE_COLOUR), strict=True):
        axes.stairs(share, edges, fill=True, alpha=0.30, linewidth=0, color=colour)
    hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": paler(FAKE_COLOUR, 0.45), "hatch": "////"}
    axes.stairs(shares[1], edges, fill=True, linewidth=0, **hatched)
    axes.stairs(shares[0], edges, color=REAL_COLOUR, linewidth=1.6, label=f"real ({len(real):,})")
    axes.stairs(shares[1], edges, color=FAKE_COLOUR, linewidth=1.6, label=f"fake ({len(fake):,})")
    axes.set_ylim(bottom=0)
    axes.axvline(border, color="#8C8C8C", linewidth=0.9, linestyle=(0, (2, 2)))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(axis="x", visible=False)
    plain(axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2))


def timeline(
    times: NDArray[np.float64],
    scores: NDArray[np.float64],
    faces: NDArray[np.float64],
    unit: str = "Time, s",
    title: str = "",
) -> Figure:
    """The scores of a clip over time: each frame's, each face's, their mean, and frames without a face.

    Args:
        times: (F,) when each frame is shown, ascending.
        scores: (F,) P(fake) of each frame, NaN where it has no face.
        faces: (N, 2) time and P(fake) of each face.
        unit: what the times are.
        title: heading.
    """
    with styled():
        figure = new_figure(6.4, 3.0)
        axes = figure.add_subplot()
        axes.axhline(0.5, color="#8C8C8C", linewidth=0.9, linestyle=(0, (2, 2)))
        axes.plot(times, scores, color=BLUE, linewidth=1.6, label="frame", clip_on=False)
        axes.scatter(
            faces[:, 0],
            faces[:, 1],
            s=14,
            color=BLUE,
            edgecolors="white",
            linewidths=0.4,
            label="face",
            clip_on=False,
            zorder=3,
        )
        missing = np.isnan(scores)
        if not missing.all():
            mean = float(scores[~missing].mean())
            axes.axhline(mean, color=VERMILION, linewidth=1.2, linestyle="--", label=f"mean {mean:.2f}")
        if missing.any():
            label = f"no face ({missing.sum()})"
            axes.scatter(
                times[missing], np.zeros(missing.sum()), s=40, marker="|", color=INK, label=label, clip_on=False
            )
        axes.set(ylim=(0, 1), xlabel=unit, ylabel="Score, P(fake)")
        plain(axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2))
        set_title(axes, title, pad=24)
    return figure
