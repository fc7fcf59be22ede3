"""Figures from scores and samples: ROC curves, histograms, timelines, face crops. Made to be read and printed.

Colours are Okabe and Ito's, which colour-blind readers tell apart; curves differ in dash as well, for print in grey.
The figures are matplotlib objects without a window or global state, and give the same bytes whenever they are saved.
"""

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from config.errors import InputError
from config.files import atomic_path
from evaluation.roc import OperatingPoints

BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
REAL_COLOUR, FAKE_COLOUR = BLUE, VERMILION
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#444444")
_DASHES = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)))
_INK, _FAINT = "#333333", "#D9D9D9"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": "#8C8C8C",
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": "#8C8C8C",
    "ytick.color": "#8C8C8C",
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.dpi": 150,
    "svg.hashsalt": "assay",
}


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
    with _styled():
        figure = _figure(4.6, 4.8)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color="#B0B0B0", linewidth=0.9)
        looks = zip(cycle(_COLOURS), cycle(_DASHES), strict=False)
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
            _plain(legend)
        _title(axes, title)
    return figure


def score_histogram(real: NDArray[np.float64], fake: NDArray[np.float64], title: str = "", bins: int = 25) -> Figure:
    """How the scores of the real and of the fake samples are spread, each as shares of its own class.

    Args:
        real: (N,) P(fake) of real samples.
        fake: (M,) P(fake) of fake samples.
        title: heading.
        bins: number of equal bins over [0, 1].
    """
    with _styled():
        figure = _figure(5.6, 3.2)
        axes = figure.add_subplot()
        edges = np.linspace(0, 1, bins + 1)
        for name, scores, colour in (("real", real, REAL_COLOUR), ("fake", fake, FAKE_COLOUR)):
            share = np.histogram(scores, edges)[0] / max(len(scores), 1)
            look: dict[str, Any] = {
                "facecolor": colour,
                "edgecolor": colour,
                "hatch": "////" if name == "fake" else None,
            }
            axes.stairs(share, edges, fill=True, alpha=0.30, linewidth=0, **look)
            axes.stairs(share, edges, color=colour, linewidth=1.6, label=f"{name} ({len(scores):,})")
        axes.axvline(0.5, color="#8C8C8C", linewidth=0.9, linestyle=(0, (2, 2)))
        axes.set(xlim=(0, 1), xlabel="Score, P(fake)", ylabel="Share of the class")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid(axis="x", visible=False)
        _plain(axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2))
        _title(axes, title, pad=24)
    return figure


def crop_sheet(
    images: Sequence[NDArray[np.uint8]],
    landmarks: Sequence[NDArray[np.floating] | None],
    labels: Sequence[str],
    columns: int = 6,
    title: str = "",
) -> Figure:
    """A sheet of face crops with their landmarks and a line of text above each.

    Args:
        images: crops (H, W, 3), RGB, of any sizes.
        landmarks: for each crop its points (K, 2) in pixels of the crop, x before y, or None.
        labels: for each crop its text.
        columns: crops in a row.
        title: heading.

    Raises:
        ValueError: there are not as many landmarks and labels as images.
    """
    if not len(images) == len(landmarks) == len(labels):
        raise ValueError(f"{len(images)} crops need as many landmarks ({len(landmarks)}) and labels ({len(labels)})")
    with _styled():
        columns = max(1, min(columns, len(images)))
        rows = max(1, math.ceil(len(images) / columns))
        figure = _figure(1.5 * columns, 1.72 * rows + (0.35 if title else 0.05))
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, image, points, label in zip(grid.flat, images, landmarks, labels, strict=False):
            axes.imshow(image, interpolation="lanczos")
            if points is not None:
                axes.scatter(points[:, 0], points[:, 1], s=3.2, c="#00E5FF", edgecolors="#003A40", linewidths=0.25)
            axes.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
            _plain(axes.set_title(label, fontsize=7, pad=3, color=_INK))
        if title:
            _plain(figure.suptitle(title, fontsize=10, fontweight="bold"))
    return figure


@dataclass(frozen=True, slots=True)
class StepRows:
    """A group of rows of `step_sheet`.

    Attributes:
        title: heading.
        images: for each row its images, each (H, W, 3) uint8 RGB or (H, W) in [0, 1].
        labels: for each row its text, of one or several lines.
    """

    title: str
    images: Sequence[Sequence[NDArray[Any]]]
    labels: Sequence[str]


def step_sheet(groups: Sequence[StepRows], steps: Sequence[str], caption: str = "") -> Figure:
    """Images from step to step: a row for each example, with its text to the left, a column for each step.

    Args:
        groups: one or more, below each other.
        steps: the columns' names, written above each group.
        caption: what stands below all.

    Raises:
        ValueError: a group has not as many labels as rows, or a row not as many images as there are steps.
    """
    for group in groups:
        if len(group.labels) != len(group.images) or any(len(row) != len(steps) for row in group.images):
            raise ValueError(f"'{group.title}' needs a label for each row, and {len(steps)} images in it")
    with _styled():
        heights, width = [1.22 * len(group.images) + 0.45 for group in groups], 1.22 * len(steps) + 1.0
        lines = textwrap.wrap(caption, int(18 * width))  # letters of its size on an inch
        figure = _figure(width, sum(heights) + 0.05 + 0.15 * len(lines))
        parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)
        for part, group in zip(parts[:, 0], groups, strict=True):
            _plain(part.suptitle(group.title, x=0.01, ha="left", fontsize=9, fontweight="bold"))
            widths = [0.85, *(1 for _ in steps)]
            grid = part.subplots(len(group.images), len(widths), squeeze=False, width_ratios=widths)
            for axes in grid.flat:
                axes.set_axis_off()
            for axes, step in zip(grid[0, 1:], steps, strict=True):
                _plain(axes.set_title(step, fontsize=7, pad=3, color=_INK))
            for row, images, label in zip(grid, group.images, group.labels, strict=True):
                _plain(row[0].text(1, 0.5, label, ha="right", va="center", fontsize=6.5, in_layout=False))
                for axes, image in zip(row[1:], images, strict=True):
                    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="lanczos")
        if lines:
            _plain(figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6.5, color=_INK))
    return figure


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
    with _styled():
        figure = _figure(6.4, 3.0)
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
                times[missing], np.zeros(missing.sum()), s=40, marker="|", color=_INK, label=label, clip_on=False
            )
        axes.set(ylim=(0, 1), xlabel=unit, ylabel="Score, P(fake)")
        _plain(axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2))
        _title(axes, title, pad=24)
    return figure


def boxed_faces(
    image: NDArray[np.uint8], boxes: Sequence[tuple[int, int, int, int]], scores: Sequence[float], title: str = ""
) -> Figure:
    """A picture with a box around each face and its P(fake) above; boxes of scores over 0.5 are drawn solid.

    Args:
        image: (H, W, 3) RGB.
        boxes: left, top, right, bottom of each face in pixels.
        scores: P(fake) of each face.
        title: heading.
    """
    with _styled():
        height, width = image.shape[:2]
        figure = _figure(6.0, min(max(6.0 * height / width, 1.5), 12.0) + 0.4)
        axes = figure.add_subplot()
        axes.imshow(image)
        for (left, top, right, bottom), score in zip(boxes, scores, strict=True):
            colour, dash = (FAKE_COLOUR, "-") if score > 0.5 else (REAL_COLOUR, "--")
            look: dict[str, Any] = {"edgecolor": colour, "linestyle": dash, "linewidth": 1.8}
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, **look))
            box = {"facecolor": colour, "edgecolor": "none", "pad": 1.5}
            axes.text(left, top, f"{score:.2f}", color="white", fontsize=9, va="bottom", bbox=box)
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axes.set_axis_off()
        _title(axes, title)
    return figure


def png_bytes(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    return _bytes(figure, "png", {"Software": None}, dpi)


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG with its letters as outlines; the same figure gives the same bytes."""
    return _bytes(figure, "svg", {"Date": None, "Creator": None}, 150)


def jpeg_bytes(figure: Figure) -> bytes:
    """The figure as JPEG, for sheets of photographs; the same figure gives the same bytes."""
    return _bytes(figure, "jpeg", None, 150, pil_kwargs={"quality": 88, "optimize": True})


FORMS = {".png": png_bytes, ".jpg": jpeg_bytes, ".svg": svg_bytes}


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in one of `FORMS`, by the suffix of `path`.

    Raises:
        InputError: another suffix, or the file cannot be written.
    """
    check_form(path)
    with atomic_path(path) as partial:
        partial.write_bytes(FORMS[path.suffix](figure))


def check_form(path: Path) -> None:
    """See that a figure can be written under this name, before work is done for it.

    Raises:
        InputError: it has another suffix.
    """
    if path.suffix not in FORMS:
        raise InputError(f"{path}: a figure cannot be written as '{path.suffix}'; valid are: {', '.join(FORMS)}")


@contextmanager
def _styled() -> Iterator[None]:
    """Matplotlib's own defaults with our style on top, whatever the user's matplotlibrc says."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def _figure(width: float, height: float) -> Figure:
    """An empty figure, size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _bytes(figure: Figure, form: str, metadata: dict[str, str | None] | None, dpi: int, **options: Any) -> bytes:
    out = io.BytesIO()
    with _styled():
        figure.savefig(out, format=form, metadata=metadata, dpi=dpi, facecolor="white", **options)
    return out.getvalue()


def _title(axes: Axes, title: str, pad: float = 10) -> None:
    if title:
        _plain(axes.set_title(title, loc="left", fontsize=10, fontweight="bold", pad=pad))


def _plain(drawn: Text | Legend) -> None:
    """Take the words as they are: a dollar sign in a name is no formula."""
    for text in drawn.get_texts() if isinstance(drawn, Legend) else [drawn]:
        text.set_parse_math(False)
