"""Figures of features in a plane: of which kind each face is, or how far perturbations move it."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from evaluation.plots.style import (
    FAKE_COLOUR,
    GREEN,
    MARKERS,
    ORANGE,
    REAL_COLOUR,
    VERMILION,
    new_figure,
    set_caption,
    set_title,
    share_legend,
    styled,
    wrapped,
)

REAL = "real"
MARKED = "real called fake"
MOST_IN_TITLE, MOST_IN_LEGEND = 46, 20  # letters of a line above a plane, and beside it
SIZE, OPACITY = 18, 0.8  # of a point
DISTANCE_MAP = "viridis"  # its brightness rises with the distance, so that it reads in grey as well
NEAREST_SHARE = 0.99  # of the points, whose distances the colours tell apart


@dataclass(frozen=True, slots=True)
class Embedding:
    """Features of faces in a plane.

    Attributes:
        title: whose features of which test set.
        points: (N, 2).
        methods: (N,) what made each; `REAL` for reals.
        is_feature: whether the points are the features themselves, so that their places mean something.
        marked: positions of reals that are called fake, which get a large ring.
    """

    title: str
    points: NDArray[np.floating]
    methods: NDArray[np.object_]
    is_feature: bool = False
    marked: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """Features of faces in a plane, and how far perturbations move each.

    Attributes:
        title: whose features of which test set.
        points: (N, 2).
        distances: (N,) perturbed distance of each.
        is_feature: as of an `Embedding`.
    """

    title: str
    points: NDArray[np.floating]
    distances: NDArray[np.floating]
    is_feature: bool = False


class _Plane(Protocol):
    """What the panels have in common."""

    @property
    def title(self) -> str: ...

    @property
    def is_feature(self) -> bool: ...


def embedding_panels(embeddings: Sequence[Embedding], caption: str = "") -> Figure:
    """A panel for each embedding: reals and fakes by colour, methods by marker; distances have no unit.

    Marked points have a large ring in the colour of the fakes.

    Args:
        embeddings: one or more.
        caption: what stands below.
    """
    methods = sorted({name for one in embeddings for name in one.methods}, key=lambda name: (name != REAL, name))
    fake = {"facecolors": FAKE_COLOUR, "linewidths": 0}
    markers = zip(methods, cycle(MARKERS), strict=False)
    looks = {name: (_ring() if name == REAL else fake) | {"marker": marker} for name, marker in markers}
    return _panels_of_kinds(embeddings, looks, caption)


def organisation_panels(embeddings: Sequence[Embedding], kinds: Sequence[str], caption: str = "") -> Figure:
    """A panel for each embedding of aligned tuples, whose kinds differ in colour and marker.

    Args:
        embeddings: one or more, with kinds as `methods`.
        kinds: the four, from the real face to its deepfake.
        caption: what stands below.
    """
    filled = zip((GREEN, ORANGE, VERMILION), "^sX", strict=True)
    looks = [_ring(), *({"facecolors": colour, "marker": marker, "linewidths": 0} for colour, marker in filled)]
    return _panels_of_kinds(embeddings, dict(zip(kinds, looks, strict=True)), caption)


def distance_panels(panels: Sequence[Moved], measure: str, caption: str = "") -> Figure:
    """A panel for each detector, its points coloured by their distance on one scale, which begins at 0.

    The few farthest points have the colour of the scale's end, so that a single one does not leave all others alike.

    Args:
        panels: one or more.
        measure: what the distances are.
        caption: what stands below.
    """
    farthest = max(float(one.distances.max()) for one in panels)
    end = max(float(np.quantile(one.distances, NEAREST_SHARE)) for one in panels)
    scale = Normalize(0, end or 1)
    with styled():
        figure, grid = _panels(panels, caption)
        for axes, one in zip(grid, panels, strict=True):
            order = np.argsort(one.distances)  # those that move far are few, and lie on top
            x, y = one.points[order].T
            drawn = axes.scatter(x, y, s=SIZE, c=one.distances[order], cmap=DISTANCE_MAP, norm=scale, linewidths=0)
        figure.colorbar(
            drawn, ax=grid, aspect=40, pad=0.02, label=measure, extend="max" if farthest > end else "neither"
        )
        set_caption(figure, caption)
    return figure


def _panels_of_kinds(embeddings: Sequence[Embedding], looks: Mapping[str, dict[str, Any]], caption: str) -> Figure:
    """A panel for each embedding, with a look for each kind of point and one legend."""
    with styled():
        figure, grid = _panels(embeddings, caption)
        for axes, one in zip(grid, embeddings, strict=True):
            for name, look in looks.items():
                x, y = one.points[one.methods == name].T
                if len(x):
                    axes.scatter(x, y, s=SIZE, alpha=OPACITY, label=textwrap.fill(name, MOST_IN_LEGEND), **look)
            if len(one.marked):
                x, y = one.points[list(one.marked)].T
                axes.scatter(x, y, s=5 * SIZE, label=MARKED, **_ring(FAKE_COLOUR))
        share_legend(figure, "outside right upper")
        set_caption(figure, caption)
    return figure


def _panels(planes: Sequence[_Plane], caption: str) -> tuple[Figure, list[Axes]]:
    """A figure with square panels, two side by side; a scale stands only where places mean something."""
    columns = min(2, len(planes))
    rows = -(-len(planes) // columns)
    width = 4.4 * columns + 1.9
    figure = new_figure(width, 4.4 * rows + 0.16 * len(wrapped(caption, width)) + 0.1)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[len(planes) :]:
        axes.remove()
    for axes, one in zip(grid, planes, strict=False):
        axes.set(aspect="equal", adjustable="datalim")
        axes.spines[:].set_visible(True)
        if not one.is_feature:
            axes.set(xticks=[], yticks=[])
        title = [textwrap.fill(line, MOST_IN_TITLE) for line in one.title.splitlines()]
        set_title(axes, "\n".join(title), pad=6)
    return figure, grid[: len(planes)]


def _ring(colour: str = REAL_COLOUR) -> dict[str, Any]:
    """Reals are rings on top, which the fakes neither hide nor look like in grey."""
    return {"facecolors": "none", "edgecolors": colour, "linewidths": 1.1, "zorder": 3}
