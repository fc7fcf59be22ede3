"""Figures that explain scores: heat maps over faces, confidence, errors, robustness."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from evaluation.plots.curves import draw_shares
from evaluation.plots.style import (
    Look,
    abreast_in_legend,
    looks,
    new_figure,
    plain,
    set_caption,
    set_title,
    share_legend,
    styled,
    wrapped,
)

HEAT_MAP = "inferno"  # its brightness rises with the heat, so that it reads in grey as well
HEAT_SHARE = 0.6  # of the heat's colour over the face
LINE_AT = 0.5
LOGIT_BINS = 25


def heat_overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A heat map over an image in grey, with a white line around all that is hotter than `LINE_AT`.

    Args:
        image: (H, W, 3) RGB.
        heat: (h, w) in [0, 1], enlarged to the image bilinearly.

    Returns:
        (H, W, 3) RGB.
    """
    height, width = image.shape[:2]
    fine = cv2.resize(np.asarray(heat, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colour = matplotlib.colormaps[HEAT_MAP](fine)[..., :3] * 255
    mixed = (HEAT_SHARE * colour + (1 - HEAT_SHARE) * grey).round().astype(np.uint8)
    around, _ = cv2.findContours((fine > LINE_AT).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(mixed, around, -1, (255, 255, 255), max(1, width // 128))


@dataclass(frozen=True, slots=True)
class Confidence:
    """The scores of a detector on a test set.

    Attributes:
        name: of both.
        real: (N,) P(fake) of the reals.
        fake: (M,) P(fake) of the fakes.
    """

    name: str
    real: NDArray[np.float64]
    fake: NDArray[np.float64]

    def saturated(self) -> int:
        """How many scores are exactly 0 or 1, so that their logits do not differ by a finite number."""
        return int(sum(((scores == 0) | (scores == 1)).sum() for scores in (self.real, self.fake)))


def confidence_rows(sets: Sequence[Confidence]) -> Figure:
    """A row for each set: how P(fake) is spread over its classes, and beside it log(p / (1 - p)).

    The latter is the difference of the logits of fake and real. Scores of exactly 0 or 1 are in bins of their own at
    the ends, under -inf and inf.
    """
    with styled():
        figure = new_figure(8.4, 2.75 * len(sets))
        for part, one in zip(figure.subfigures(len(sets), 1, squeeze=False)[:, 0], sets, strict=True):
            left, right = part.subplots(1, 2)
            draw_shares(left, one.real, one.fake, np.linspace(0, 1, 26), 0.5)
            left.set(xlim=(0, 1), xlabel="Score p = P(fake)", ylabel="Share of the class")
            _draw_logits(right, one)
            number = one.saturated()
            said = f"   {number:,} of {one.real.size + one.fake.size:,} scores are exactly 0 or 1" if number else ""
            plain(part.suptitle(one.name + said, x=0.01, ha="left", fontsize=10, fontweight="bold"))
    return figure


def _draw_logits(axes: Axes, one: Confidence) -> None:
    """The spread of log(p / (1 - p)), with a bin at each end for what is not finite."""
    with np.errstate(divide="ignore"):
        real, fake = (np.log(scores) - np.log1p(-scores) for scores in (one.real, one.fake))
    both = np.concatenate([real, fake])
    finite = both[np.isfinite(both)]
    low, high = (float(np.floor(finite.min())), float(np.ceil(finite.max()))) if finite.size else (-1.0, 1.0)
    high = max(high, low + 1)
    width = (high - low) / LOGIT_BINS
    ends = {
        place: value for place, value in ((low - 1.5 * width, -np.inf), (high + 1.5 * width, np.inf)) if value in both
    }
    outer = [place + side * width / 2 for place in ends for side in (-1, 1)]
    edges = np.sort([*np.linspace(low, high, LOGIT_BINS + 1), *outer])
    at_ends = [scores.clip(low - 1.5 * width, high + 1.5 * width) for scores in (real, fake)]
    draw_shares(axes, at_ends[0], at_ends[1], edges, 0.0)
    ticks = {place: f"{value:g}".replace("inf", "\u221e") for place, value in ends.items()}
    inner = [tick for tick in axes.get_xticks().tolist() if low <= tick <= high]
    ticks |= {tick: f"{tick:g}" for tick in inner if all(abs(tick - end) > 3 * width for end in ends)}
    axes.set_xticks(list(ticks), [text.replace("-", "\u2212") for text in ticks.values()])
    axes.set(xlabel="Logit of fake \u2212 logit of real, log(p / (1 \u2212 p))")


@dataclass(frozen=True, slots=True)
class Errors:
    """Misclassified shares of a detector on some test sets.

    Attributes:
        name: of the detector.
        real: for each test set the share of the reals, in [0, 1]; None where there is none.
        fake: for each test set the share of the fakes.
    """

    name: str
    real: Sequence[float | None]
    fake: Sequence[float | None]


def error_bars(sets: Sequence[str], detectors: Sequence[Errors], caption: str = "") -> Figure:
    """Reals called fake to the left, fakes called real to the right, a bar for each detector on each test set.

    Args:
        sets: names of the test sets, from top to bottom.
        detectors: one or more.
        caption: what stands below.

    Raises:
        ValueError: a detector has not as many shares as there are sets.
    """
    for one in detectors:
        if not len(one.real) == len(one.fake) == len(sets):
            raise ValueError(f"'{one.name}' needs a share, or None, for each of {len(sets)} sets")
    with styled():
        thick = 0.2  # inches
        abreast = abreast_in_legend([one.name for one in detectors], 7.4)
        lines = -(-len(detectors) // abreast) + len(wrapped(caption, 7.4))
        figure = new_figure(7.4, 0.85 + len(sets) * (thick * len(detectors) + 0.16) + 0.16 * lines)
        sides = figure.subplots(1, 2, sharey=True)
        step = 1 / (len(detectors) + 0.8)
        for axes, kind in zip(sides, ("real", "fake"), strict=True):
            for number, (one, look) in enumerate(zip(detectors, looks(len(detectors)), strict=True)):
                shares: Sequence[float | None] = getattr(one, kind)
                places = np.arange(len(sets)) + (number - (len(detectors) - 1) / 2) * step
                axes.barh(places, [share or 0.0 for share in shares], step * 0.9, label=one.name, **look.bar())
                for place, share in zip(places, shares, strict=True):
                    said = "\u2013" if share is None else f"{share:.1%}"
                    axes.annotate(
                        said,
                        (share or 0.0, place),
                        (4 if kind == "fake" else -4, 0),
                        textcoords="offset points",
                        fontsize=7.5,
                        va="center",
                        ha="left" if kind == "fake" else "right",
                    )
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.grid(axis="y", visible=False)
            axes.set(xlim=(0, 1.22) if kind == "fake" else (1.22, 0), xticks=np.linspace(0, 1, 5))
            axes.tick_params(axis="y", length=0)
        sides[0].spines["left"].set_visible(False)
        sides[0].spines["right"].set_visible(True)
        sides[0].set(xlabel="Reals called fake", ylim=(len(sets) - 0.5, -0.5))
        sides[1].set(xlabel="Fakes called real")
        sides[0].set_yticks(range(len(sets)), sets)
        for label in sides[0].get_yticklabels():
            plain(label)
        share_legend(figure, "outside upper left", abreast)
        set_caption(figure, caption)
    return figure


@dataclass(frozen=True, slots=True)
class LevelCurve:
    """A metric of a detector by level of a perturbation.

    Attributes:
        name: of the detector.
        perturbation: its name.
        levels: ascending; 0 is the clean crop.
        means: for each level the mean over the draws; None where there is none.
        deviations: for each level the standard deviation over the draws; None for a single one.
    """

    name: str
    perturbation: str
    levels: Sequence[int]
    means: Sequence[float | None]
    deviations: Sequence[float | None]


def level_panels(curves: Sequence[LevelCurve], axis: str, caption: str = "") -> Figure:
    """A panel for each perturbation, and a line for each detector.

    The deviation over draws is a band around the line, or at a single level a bar.

    Args:
        curves: in any order; a detector has one look in all panels.
        axis: what the metric is.
        caption: what stands below.
    """
    kinds, names = (
        list(dict.fromkeys(found)) for found in zip(*((c.perturbation, c.name) for c in curves), strict=True)
    )
    with styled():
        figure, panels = panel_grid(kinds, names, axis, caption, share_axis=True)
        look_of = dict(zip(names, looks(len(names)), strict=True))
        for kind, axes in panels.items():
            shown = [curve for curve in curves if curve.perturbation == kind]
            for curve in shown:
                draw_curve(axes, curve.name, curve.levels, curve.means, curve.deviations, look_of[curve.name])
            axes.set_xticks(sorted({level for curve in shown for level in curve.levels}))
            axes.set_xlabel("Level")
        share_legend(figure, "outside upper left", abreast_in_legend(names, figure.get_figwidth()))
    return figure


def panel_grid(
    titles: Sequence[str], names: Sequence[str], axis: str, caption: str, *, share_axis: bool
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each title, three side by side, and room for a legend above.

    Args:
        titles: of the panels.
        names: that the legend will have.
        axis: what the panels measure.
        caption: what stands below.
        share_axis: whether they measure on one scale.

    Returns:
        The figure, and its panels by their titles.
    """
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    width = max(4.4, 2.9 * columns)
    above, below = 0.2 * -(-len(names) // abreast_in_legend(names, width)), 0.16 * len(wrapped(caption, width))
    figure = new_figure(width, 2.5 * rows + above + below + 0.2)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_axis)
    for axes, title in zip_longest(grid.flat, titles):
        if title is None:
            axes.set_axis_off()
            continue
        set_title(axes, title, pad=6)
    for axes in grid[:, 0]:
        axes.set_ylabel(axis)
    set_caption(figure, caption)
    return figure, dict(zip(titles, grid.flat, strict=False))


def draw_curve(
    axes: Axes,
    name: str,
    places: Sequence[float],
    means: Sequence[float | None],
    deviations: Sequence[float | None],
    look: Look,
) -> None:
    """A line with a band of deviations around it, or at a single place a bar; a gap where there is no mean."""
    at, middle = np.array(places, float), np.array(means, float)
    spread = np.array([0.0 if value is None else value for value in deviations])
    if len(at) > 1:
        axes.fill_between(at, middle - spread, middle + spread, color=look.colour, alpha=0.2, linewidth=0)
    elif spread.any():
        axes.errorbar(at, middle, spread, color=look.colour, fmt="none", capsize=3, linewidth=1.2)
    axes.plot(at, middle, **look.line(), marker=look.marker, ms=4, linewidth=1.6, label=name)
