"""ProDet's mean perturbed distance (mPD): how far a perturbation moves a face in the feature space of a detector."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt
import pandas as pd

from config.errors import InputError, unknown
from evaluation.features import FeatureArray, dimension_of, is_clean, iter_features
from preprocessing.views import Variant

Float64Array = npt.NDArray[np.float64]
FACE = ["dataset", "split", "compression", "video_id", "frame", "face"]


@dataclass(frozen=True, slots=True)
class LevelDistance:
    """How far one level of a perturbation moves the features of a set.

    Attributes:
        perturbation: its name.
        level: from 1 on.
        by_draw: mean over the samples of their distance, for each draw.
        typical: root mean square distance of two clean samples, `PerturbedDistances.typical`.
    """

    perturbation: str
    level: int
    by_draw: tuple[float, ...]
    typical: float

    @property
    def mpd(self) -> float:
        """mPD: the mean over samples of the mean over draws, which is the mean of all, as each sample has each draw."""
        return fmean(self.by_draw)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over the draws (n - 1) of their means; None for one draw."""
        return stdev(self.by_draw) if len(self.by_draw) > 1 else None

    @property
    def relative_mpd(self) -> float:
        """MPD in units of `typical`."""
        return self.mpd / self.typical

    @property
    def relative_deviation(self) -> float | None:
        """`deviation` in units of `typical`."""
        return None if self.deviation is None else self.deviation / self.typical


@dataclass(frozen=True, slots=True)
class PerturbedDistances:
    """mPD of each level of each perturbation.

    Attributes:
        dimension: numbers of a feature.
        n_constant: those of them that are the same for all clean samples, which are left out.
        n_samples: faces.
        levels: in the order of the feature file; none if there are no two clean samples that differ.
    """

    dimension: int
    n_constant: int
    n_samples: int
    levels: tuple[LevelDistance, ...]

    @property
    def typical(self) -> float:
        """Root mean square distance of two different clean samples of the set: sqrt(2 * dimensions that are left).

        With s_d^2 = 1 / (n - 1) sum_i (x_id - m_d)^2 the mean of (x_id - x_jd)^2 over the n (n - 1) ordered pairs of
        different samples is 2 s_d^2, since the sum over all i and j is 2 n sum_i (x_id - m_d)^2 and the pairs i = j add
        nothing. Each dimension thus adds exactly 2 to the mean square of the standardised distance, whatever the
        distribution and however dimensions depend on each other. A network with a wider feature has longer distances
        by this factor alone, so that only distances relative to it compare.
        """
        return math.sqrt(2 * (self.dimension - self.n_constant))


def perturbed_distances(path: Path) -> PerturbedDistances:
    """The mPD of each perturbation and level of a feature file.

    The perturbed distance (PD) of a sample is the mean over the draws i = 1..n of its standardised Euclidean distance
    sqrt(sum_d ((F_id - F_d) / s_d)^2), where F is its clean and F_i its perturbed feature and s_d the standard
    deviation (n - 1) of dimension d over the clean features of the set; mPD is the mean of PD over the samples. This
    is what ProDet (NeurIPS 2024, section 7.4) describes in words, an average of Euclidean distances, standardised. Its
    printed equation 9 has sqrt(F_i^2 + F^2) / F_std, which is no distance: it is not 0 where nothing changes.

    A dimension that is the same in all clean features has no s_d and is left out. The file is gone through twice, a row
    group at a time, so that memory does not grow with it.

    Args:
        path: the feature file, the views of a face together, the clean one first, as `assay evaluate --perturb ...
            --features` writes it.

    Raises:
        InputError: as for `read_features`, or features do not stand together as described, or some draws are missing.
    """
    spread = _spread_of(path)
    typical = spread.typical
    by_level: dict[tuple[str, int], list[float]] = {}
    if typical:
        for (name, level, _), mean in _means(path, spread).items():
            by_level.setdefault((name, level), []).append(mean)
    levels = tuple(LevelDistance(name, level, tuple(means), typical) for (name, level), means in by_level.items())
    return PerturbedDistances(spread.dimension, spread.n_constant, spread.count, levels)


@dataclass(frozen=True, slots=True)
class FaceDistances:
    """PD of each face under some perturbations.

    Attributes:
        perturbations: their names, in the order of the feature file.
        level: of them all.
        values: (N,) PD of each clean sample, in the order of the file.
        dimension: numbers of a feature.
        typical: `PerturbedDistances.typical`.
    """

    perturbations: tuple[str, ...]
    level: int
    values: Float64Array
    dimension: int
    typical: float

    @property
    def mpd(self) -> float:
        """MPD: of several perturbations the mean of the mPD of each."""
        return float(self.values.mean())

    @property
    def relative_mpd(self) -> float:
        """MPD in units of `typical`."""
        return self.mpd / self.typical


def face_distances(path: Path, level: int = 1, perturbation: str | None = None) -> FaceDistances:
    """The perturbed distance of each face, as `perturbed_distances` says it, at one level.

    Of several perturbations PD is the mean of the PDs of each, so that all count alike, however often each is drawn.

    Args:
        path: as for `perturbed_distances`. It is gone through twice likewise; a number is kept for each face.
        level: of the perturbations; those that have no such level are left out.
        perturbation: its name; None for all.

    Raises:
        InputError: no such perturbation or level, clean features do not differ, or as for `perturbed_distances`.
    """
    spread = _spread_of(path)
    if not spread.typical:
        raise InputError(f"{path}: distances need clean features that differ")
    sums: dict[Variant, Float64Array] = {}
    counts = Counter[Variant]()
    for variant, faces, distances in _distances(path, spread):
        counts[variant] += len(faces)
        if variant.level == level and perturbation in (None, variant.perturbation):
            np.add.at(sums.setdefault(variant._replace(draw=0), np.zeros(spread.count)), faces, distances)
    _refuse_missing(path, counts, spread.count)
    if not sums:
        raise _no_such_view(path, counts, level, perturbation)
    draws = Counter(variant._replace(draw=0) for variant in counts)
    values = np.mean([total / draws[view] for view, total in sums.items()], axis=0)
    return FaceDistances(tuple(view.perturbation for view in sums), level, values, spread.dimension, spread.typical)


def _no_such_view(path: Path, counts: Iterable[Variant], level: int, perturbation: str | None) -> InputError:
    names = list(dict.fromkeys(variant.perturbation for variant in counts))
    if not names:
        return InputError(f"{path} holds clean features alone; make others with 'assay evaluate ... --perturb SUITE'")
    if perturbation is not None and perturbation not in names:
        return unknown("perturbation", perturbation, names)
    levels = sorted({variant.level for variant in counts if perturbation in (None, variant.perturbation)})
    return InputError(f"{path} has no level {level}; it has {', '.join(map(str, levels))}")


def _spread_of(path: Path) -> "_Spread":
    """Of the clean features of a file."""
    spread = _Spread(dimension_of(path))
    for part in iter_features(path):
        spread.add(part.values[is_clean(part.rows)])
    return spread


class _Spread:
    """Mean and spread of each dimension of features that come in parts, by Chan's rule; all in float64."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.count = 0
        self._mean = np.zeros(dimension)
        self._squares = np.zeros(dimension)
        self._low = np.full(dimension, np.inf)
        self._high = np.full(dimension, -np.inf)

    def add(self, values: FeatureArray) -> None:
        """Take in (N, D)."""
        if not len(values):
            return
        exact = values.astype(np.float64)
        mean, total = exact.mean(axis=0), self.count + len(exact)
        apart = mean - self._mean
        self._squares += np.square(exact - mean).sum(axis=0) + np.square(apart) * self.count * len(exact) / total
        self._mean += apart * len(exact) / total
        self._low = np.minimum(self._low, exact.min(axis=0))
        self._high = np.maximum(self._high, exact.max(axis=0))
        self.count = total

    @property
    def varies(self) -> npt.NDArray[np.bool_]:
        """(D,) whether a dimension is not the same everywhere; by its extremes, which are not rounded."""
        return np.asarray(self._high > self._low)

    @property
    def n_constant(self) -> int:
        """Number of dimensions that do not vary."""
        return int((~self.varies).sum())

    @property
    def typical(self) -> float:
        """`PerturbedDistances.typical`."""
        return math.sqrt(2 * (self.dimension - self.n_constant))

    @property
    def deviation(self) -> Float64Array:
        """Sample standard deviation (n - 1) of the dimensions that vary."""
        return np.sqrt(self._squares[self.varies] / (self.count - 1))


def _means(path: Path, spread: _Spread) -> dict[Variant, float]:
    """Mean distance over the samples by perturbation, level and draw."""
    sums: dict[Variant, float] = {}
    counts = Counter[Variant]()
    for key, faces, distances in _distances(path, spread):
        sums[key] = sums.get(key, 0.0) + float(distances.sum())
        counts[key] += len(faces)
    _refuse_missing(path, counts, spread.count)
    return {key: total / spread.count for key, total in sums.items()}


def _refuse_missing(path: Path, counts: Mapping[Variant, int], expected: int) -> None:
    """See that each view is there of as many samples as there are clean ones."""
    for key, count in counts.items():
        if count != expected:
            raise InputError(
                f"{path} holds {count} features of {key.perturbation}, level {key.level}, draw {key.draw}, "
                f"and {expected} clean ones; expected one of each for every face"
            )


def _distances(path: Path, spread: _Spread) -> Iterator[tuple[Variant, npt.NDArray[np.int64], Float64Array]]:
    """Some samples of a view at a time: (N,) which of the clean ones each belongs to, and its distance to that."""
    for rows, faces, moved in _moves(path, spread.dimension):
        distances = np.sqrt(np.square(moved[:, spread.varies] / spread.deviation).sum(axis=1))
        for numbers in rows.groupby(list(Variant._fields), sort=False, observed=True).indices.values():
            row = rows.iloc[numbers[0]]
            key = Variant(str(row["perturbation"]), int(row["level"]), int(row["draw"]))
            yield key, faces[numbers], distances[numbers]


def _moves(path: Path, dimension: int) -> Iterator[tuple[pd.DataFrame, npt.NDArray[np.int64], Float64Array]]:
    """The perturbed rows, some at a time: (N,) of which clean sample each is, and (N, D) how far it is from that."""
    last, last_face, passed = np.full((1, dimension), np.nan), np.zeros(1, np.uint64), 0
    for part in iter_features(path):
        clean_rows, values = is_clean(part.rows), part.values.astype(np.float64)
        faces = pd.util.hash_pandas_object(part.rows[FACE], index=False).to_numpy()
        clean, clean_faces = np.concatenate([last, values[clean_rows]]), np.concatenate([last_face, faces[clean_rows]])
        before = np.cumsum(clean_rows)[~clean_rows]
        rows = part.rows[~clean_rows]
        if (strange := clean_faces[before] != faces[~clean_rows]).any():
            row = rows.iloc[int(np.argmax(strange))]
            raise InputError(
                f"{path}: the views of frame {row['frame']} of video '{row['video_id']}' do not follow on its clean one"
            )
        yield rows, passed + before - 1, values[~clean_rows] - clean[before]
        last, last_face, passed = clean[-1:], clean_faces[-1:], passed + int(clean_rows.sum())
