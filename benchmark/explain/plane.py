"""Features laid out in a plane: by t-SNE, or as they are where they have two numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from config.errors import InputError, unknown

LAYOUTS = ("auto", "tsne")
PERPLEXITY = 30.0
FEWEST = 8


@dataclass(frozen=True, slots=True)
class Plane:
    """Features in a plane.

    Attributes:
        points: (N, 2).
        perplexity: of t-SNE; None where the points are the features themselves.
    """

    points: npt.NDArray[np.floating]
    perplexity: float | None


def check_layout(layout: str) -> None:
    """See that there is such a layout, before work is done for it.

    Raises:
        InputError: there is none.
    """
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)


def lay_out(values: npt.NDArray[np.float32], layout: str, seed: int, whose: str) -> Plane:
    """Features in a plane: those of two numbers as they are, others, or all with layout "tsne", by t-SNE.

    Args:
        values: (N, D) features.
        layout: one of `LAYOUTS`.
        seed: of t-SNE.
        whose: the features, for the sentence that refuses them.

    Raises:
        InputError: another layout, or as for `by_tsne`.
    """
    check_layout(layout)
    if layout == "auto" and values.shape[1] == 2:
        return Plane(values, None)
    return by_tsne(values, seed, whose)


def by_tsne(values: npt.NDArray[np.float32], seed: int, whose: str) -> Plane:
    """Features in a plane by t-SNE (van der Maaten and Hinton, JMLR 2008) from their PCA; arguments as `lay_out`.

    Raises:
        InputError: there are too few features, or all lie on a line.
    """
    if len(values) < FEWEST:
        raise InputError(f"{whose}: t-SNE needs the features of at least {FEWEST} faces, not of {len(values)}")
    if (np.ptp(values, axis=0) > 0).sum() < 2:
        raise InputError(f"{whose}: t-SNE needs features that differ in two dimensions or more")
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    with threadpool_limits(1):  # t-SNE sums in the order in which threads come, and magnifies the last digit
        points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(values)
    return Plane(points, perplexity)


def how_laid_out(planes: Iterable[float | None], what: str, seed: int) -> str:
    """What a reader must know of panels of points, in sentences.

    Args:
        planes: perplexity of each `Plane`.
        what: the points are.
        seed: of t-SNE.
    """
    by_layout = set(planes)
    perplexities = ", ".join(f"{value:g}" for value in sorted(value for value in by_layout if value is not None))
    sentences = []
    if perplexities:
        sentences.append(
            f"t-SNE of {what}, from their first two principal components, perplexity {perplexities}, seed {seed}. "
            "Which points lie near each other says something; sizes of clusters and gaps between them do not."
        )
    if None in by_layout:
        which = "Panels with a scale show" if len(by_layout) > 1 else "The panels show"
        sentences.append(f"{which} {what}, which have two numbers, as they are.")
    return " ".join(sentences)
