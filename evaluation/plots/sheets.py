"""Figures of samples: face crops, the steps of a pseudo-fake, faces in a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from evaluation.plots.style import (
    FAKE_COLOUR,
    INK,
    ORANGE,
    REAL_COLOUR,
    SKY,
    new_figure,
    plain,
    set_caption,
    set_title,
    styled,
    wrapped,
)

REGION_SHARE = 0.5  # of a region's colour over the face


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
    with styled():
        columns = max(1, min(columns, len(images)))
        rows = max(1, math.ceil(len(images) / columns))
        figure = new_figure(1.5 * columns, 1.72 * rows + (0.35 if title else 0.05))
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, image, points, label in zip(grid.flat, images, landmarks, labels, strict=False):
            axes.imshow(image, interpolation="lanczos")
            if points is not None:
                axes.scatter(points[:, 0], points[:, 1], s=3.2, c="#00E5FF", edgecolors="#003A40", linewidths=0.25)
            axes.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
            plain(axes.set_title(label, fontsize=7, pad=3, color=INK))
        if title:
            plain(figure.suptitle(title, fontsize=10, fontweight="bold"))
    return figure


@dataclass(frozen=True, slots=True)
class StepRows:
    """A group of rows of `step_sheet`.

    Attributes:
        title: heading.
        images: for each row its images, each (H, W, 3) uint8 RGB or (H, W) in [0, 1], or None for an empty place.
        labels: for each row its text, of one or several lines.
        below: for each row a line below each image; none if empty.
        frames: for each column the colour of a frame around its images; none if empty.
    """

    title: str
    images: Sequence[Sequence[NDArray[Any] | None]]
    labels: Sequence[str]
    below: Sequence[Sequence[str]] = ()
    frames: Sequence[str] = ()


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
    with styled():
        above = 0.45 + 0.1 * max(step.count("\n") for step in steps)
        heights = [(1.36 if group.below else 1.22) * len(group.images) + above for group in groups]
        width = 1.22 * len(steps) + 1.0
        figure = new_figure(width, sum(heights) + 0.05 + 0.15 * len(wrapped(caption, width)))
        parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)
        for part, group in zip(parts[:, 0], groups, strict=True):
            plain(part.suptitle(group.title, x=0.01, ha="left", fontsize=9, fontweight="bold"))
            widths = [0.85, *(1 for _ in steps)]
            grid = part.subplots(len(group.images), len(widths), squeeze=False, width_ratios=widths)
            for axes in grid.flat:
                axes.set_axis_off()
            for axes, step in zip(grid[0, 1:], steps, strict=True):
                plain(axes.set_title(step, fontsize=7, pad=3, color=INK))
            for row, images, label in zip(grid, group.images, group.labels, strict=True):
                plain(row[0].text(1, 0.5, label, ha="right", va="center", fontsize=6.5, in_layout=False))
                for axes, image in zip(row[1:], images, strict=True):
                    if image is None:
                        axes.set_aspect("equal")
                    else:
                        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="lanczos")
            for row, lines_below in zip(grid, group.below, strict=False):
                for axes, line in zip(row[1:], lines_below, strict=True):
                    plain(axes.text(0.5, -0.03, line, ha="center", va="top", fontsize=7, transform=axes.transAxes))
            for column, colour in zip(grid[:, 1:].T, group.frames, strict=False):
                for axes in column:
                    around: dict[str, Any] = {"edgecolor": colour, "linewidth": 2, "clip_on": False, "fill": False}
                    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, **around))
        set_caption(figure, caption)
    return figure


def gain_and_loss(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.uint8]:
    """What a mask has gained, in orange, and lost, in blue: the brighter the more, black where it is the same.

    Args:
        before: (H, W) in [0, 1].
        after: likewise.

    Returns:
        (H, W, 3) RGB.
    """
    change = after.astype(np.float32) - before
    gained, lost = (np.array(to_rgb(colour), np.float32) * 255 for colour in (ORANGE, SKY))
    picture = change.clip(min=0)[..., None] * gained + (-change).clip(min=0)[..., None] * lost
    return picture.round().astype(np.uint8)


def region_overlay(
    image: NDArray[np.uint8], inside: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Two regions of a map over an image in grey, orange inside and blue outside; black what is in neither.

    Args:
        image: (H, W, 3) RGB.
        inside: (h, w) cells of the map, each as large as its share of the image.
        outside: likewise.

    Returns:
        (H, W, 3) RGB.
    """
    colours = (np.array(to_rgb(colour), np.float32) * 255 for colour in (ORANGE, SKY))
    colour = sum(cells[..., None] * one for cells, one in zip((inside, outside), colours, strict=True))
    size = image.shape[1::-1]
    fine = cv2.resize(np.asarray(colour, np.float32), size, interpolation=cv2.INTER_NEAREST)
    kept = cv2.resize((inside | outside).astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] * kept[..., None]
    return (REGION_SHARE * fine + (1 - REGION_SHARE) * grey).round().astype(np.uint8)


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
    with styled():
        height, width = image.shape[:2]
        figure = new_figure(6.0, min(max(6.0 * height / width, 1.5), 12.0) + 0.4)
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
        set_title(axes, title)
    return figure
