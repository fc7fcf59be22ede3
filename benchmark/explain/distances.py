"""`assay explain distances`: how far perturbations move each face in the space of features (ProDet, Figure 4b)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from benchmark.explain.embed import title_of
from benchmark.explain.faces import drawn_evenly, kinds_of
from benchmark.explain.plane import how_laid_out, lay_out
from benchmark.places import FEATURES, PERTURBED, files_below, table_beside
from config.errors import InputError
from evaluation.features import read_clean_features
from evaluation.perturbed_distance import FaceDistances, face_distances
from evaluation.plots.planes import Moved, distance_panels
from evaluation.tables import Column, Table

MAKE_FEATURES = "assay evaluate ... --perturb SUITE --features"
HIGH = 0.9  # quantile


@dataclass(frozen=True, slots=True)
class MovedFaces:
    """How far perturbations move the faces of a test set in a detector's feature space.

    Attributes:
        name: of the detector, test set and suite.
        distances: of all faces.
        points: (P, 2) clean features of the faces shown, in a plane.
        shown: (P,) which of the faces they are.
        perplexity: of t-SNE; None where the points are the features themselves.
    """

    name: str
    distances: FaceDistances
    points: npt.NDArray[np.floating]
    shown: npt.NDArray[np.int64]
    perplexity: float | None


def read_distances(
    paths: Sequence[Path], *, level: int = 1, perturbation: str | None = None, seed: int = 0, most: int = 1000
) -> list[MovedFaces]:
    """The perturbed distance (PD) of each face, and its clean feature in a plane.

    Args:
        paths: feature files made under suites, or folders that hold some of test splits at any depth.
        level: of the perturbations.
        perturbation: its name; None for all of a suite, which count alike.
        seed: of the choice of faces shown, and of t-SNE.
        most: faces shown of each file, drawn evenly from the reals and from each manipulation.

    Raises:
        InputError: there is no such file, perturbation or level, one cannot be read, or holds too few faces.
    """
    files = [path for path in files_below(paths, FEATURES, MAKE_FEATURES) if path in paths or _is_perturbed(path)]
    found = [one for path in files if (one := _read(path, path in paths, level, perturbation, seed, most))]
    if not found:
        below = ", ".join(map(str, paths))
        raise InputError(f"no features of test splits under a suite below {below}; make some with '{MAKE_FEATURES}'")
    return found


def draw_distances(found: Sequence[MovedFaces], seed: int) -> Figure:
    """A panel for each feature file, coloured by PD on one scale, with mPD above and a caption.

    Where features differ in dimension, which PD grows with, the colours are of PD relative to the typical distance.

    Args:
        found: what feature files say.
        seed: that they were laid out with.
    """
    relative = len({one.distances.dimension for one in found}) > 1
    panels = [
        Moved(
            f"{one.name}\nmPD {one.distances.mpd:.4f}" + f", relative {one.distances.relative_mpd:.4f}" * relative,
            one.points,
            one.distances.values[one.shown] / (one.distances.typical if relative else 1),
            is_feature=one.perplexity is None,
        )
        for one in found
    ]
    names = dict.fromkeys(name for one in found for name in one.distances.perturbations)
    sentences = [
        f"PD: standardised distance that a face's feature is moved by, mean over the draws of {', '.join(names)}, "
        f"level {found[0].distances.level}; mPD: its mean over all faces.",
        how_laid_out((one.perplexity for one in found), "the features of clean crops", seed),
    ]
    if relative:
        sentences.append(
            "PD grows with the dimensions, which differ: relative is over the typical distance of two faces."
        )
    return distance_panels(panels, "relative PD" if relative else "PD", " ".join(sentences))


def distances_table(found: Sequence[MovedFaces]) -> Table:
    """The distances of each feature file in numbers."""
    return Table(
        caption=f"Perturbed distances of faces, level {found[0].distances.level}",
        row_header="Detector, test set, suite",
        rows=tuple(one.name for one in found),
        columns=(
            Column("mPD", None),
            Column("median", None),
            Column(f"{HIGH:.0%} quantile", None),
            Column("typical", None),
            Column("relative mPD", None),
            Column("faces", None, format=".0f"),
            Column("shown", None, format=".0f"),
            Column("dimensions", None, format=".0f"),
        ),
        values=tuple(_row(one) for one in found),
        footnotes=(
            "PD: standardised distance that a face's feature is moved by, mean over draws, each perturbation alike",
            "typical: root mean square distance of two clean faces; relative mPD: mPD over it",
            *(f"{one.name}: {', '.join(one.distances.perturbations)}" for one in found),
        ),
    )


def _row(one: MovedFaces) -> tuple[float, ...]:
    values = one.distances.values
    measured = (one.distances.mpd, float(np.median(values)), float(np.quantile(values, HIGH)))
    counted = (len(values), len(one.shown), one.distances.dimension)
    return (*measured, one.distances.typical, one.distances.relative_mpd, *map(float, counted))


def _read(path: Path, is_named: bool, level: int, perturbation: str | None, seed: int, most: int) -> MovedFaces | None:
    """A feature file; None for one of another split that lies in a folder."""
    features = read_clean_features(path)
    if not is_named and not (features.rows["split"] == "test").all():
        return None
    distances = face_distances(path, level, perturbation)
    shown = drawn_evenly(kinds_of(features.rows), most, np.random.default_rng(seed))
    plane = lay_out(features.values[shown], "auto", seed, str(path))
    name = f"{title_of(path)}, {path.parent.name}" if _is_perturbed(path) else str(path)
    return MovedFaces(name, distances, plane.points, shown, plane.perplexity)


def _is_perturbed(path: Path) -> bool:
    """Whether a feature file was made under a suite."""
    return table_beside(path).name == PERTURBED
