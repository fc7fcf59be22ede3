"""`assay explain confidence`: how sure a detector is of reals and of fakes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmark.run_names import run_name
from benchmark.score_tables import read_tables
from evaluation.metrics import group_scores
from evaluation.plots.explanations import Confidence, confidence_rows
from evaluation.tables import Column, Table


def confidence_figure(scores: Path, *more: Path) -> Figure:
    """How the frame scores of each class are spread, a row for each table; errors as for `read_confidence`."""
    return confidence_rows(read_confidence([scores, *more]))


def read_confidence(paths: Sequence[Path]) -> list[Confidence]:
    """The frame scores of score tables, by class.

    Args:
        paths: score tables, or folders that hold some of test splits at any depth.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    found = []
    for path, record, scores in read_tables(paths):
        group = group_scores(scores)
        real, fake = (group.frame_scores[group.frame_labels == label] for label in (0, 1))
        found.append(Confidence(f"{run_name(path, record)} on {path.parent.name}", real, fake))
    return found


def confidence_table(sets: Sequence[Confidence]) -> Table:
    """Medians and means of P(fake) in each class, and how many scores are exactly 0 or 1."""
    return Table(
        caption="P(fake) of frames",
        row_header="Detector and test set",
        rows=tuple(one.name for one in sets),
        columns=(
            *(Column(what, None, group=kind) for kind in ("real", "fake") for what in ("median", "mean")),
            Column("scores", None, group="count", format=".0f"),
            Column("exactly 0 or 1", None, group="count", format=".0f"),
        ),
        values=tuple(
            (*_centre(one.real), *_centre(one.fake), float(one.real.size + one.fake.size), float(one.saturated()))
            for one in sets
        ),
    )


def _centre(scores: np.ndarray) -> tuple[float | None, float | None]:
    """Median and mean; None of nothing."""
    return (float(np.median(scores)), float(scores.mean())) if scores.size else (None, None)
