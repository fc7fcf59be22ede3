"""Figures of scores: ROC curves, histograms, timelines."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from evaluation.plots.style import (
    BLUE,
    COLOURS,
    DASHES,
    FAKE_COLOUR,
    INK,
    REAL_COLOUR,
    VERMILION,
    new_figure,
    plain,
    set_title,
    styled,
)
from evaluation.roc import OperatingPoints


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
        looks = zip(cycle(COLOURS), cycle(DASHES), strict=False)
        for curve, (colour, dash) in zip(curves, looks, strict=False):
            fpr, tpr = curve.points.roc()
            axes.plot(fpr, tpr, color=colour, linestyle=dash, linewidth=1.8, solid_joinstyle="round", clip_on=False)
        names = [f"{curve.points.auc():.4f}   {curve.name}" for curve in curves]
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set(xlabel="False positive rate (real taken for fake)", ylabel="True positive rate (fake found)")
        ticks = np.linspace(0, 1, 6)
        axes.set(xticks=ticks, yticks=ticks)
        if names:
            legend = axes.legend(axes.lines[1:], names, loc="lower right", title="AUC", alignment="left", frameon=True)
            legend.get_frame().set(linewidth=0, alpha=0.85)
            plain(legend)
        set_title(axes, title)
    return figure


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
    for name, values, colour in (("real", real, REAL_COLOUR), ("fake", fake, FAKE_COLOUR)):
        share = np.histogram(values, edges)[0] / max(len(values), 1)
        look: dict[str, Any] = {"facecolor": colour, "edgecolor": colour, "hatch": "////" if name == "fake" else None}
        axes.stairs(share, edges, fill=True, alpha=0.30, linewidth=0, **look)
        axes.stairs(share, edges, color=colour, linewidth=1.6, label=f"{name} ({len(values):,})")
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
