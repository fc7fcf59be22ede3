"""`assay explain examples`: real and fake faces of a test set from low to high scores, with each detector's (ADFD)."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from benchmark.explain.faces import kinds_of, seen_face
from benchmark.places import SCORES, files_below
from benchmark.run_names import run_name
from benchmark.score_tables import MAKE_SCORES, read_table, val_scores_beside
from config.errors import InputError, unknown
from evaluation.error_rates import threshold_of
from evaluation.plots.sheets import StepRows, step_sheet
from evaluation.plots.style import GREEN, VERMILION
from evaluation.scores import ScoreRecord
from evaluation.tables import Column, Table
from preprocessing.clips import Image
from preprocessing.rows import load_rows
from preprocessing.samples import BrokenSampleError, FaceSet

FACE = ["video_id", "frame", "face"]
"""What tells a face of a test set from the others."""
NAME_WIDTH = 20  # letters of a line above an image
LABEL_WIDTH = 19  # and beside it


@dataclass(frozen=True, slots=True)
class Examples:
    """Faces of a test set, and what detectors make of them.

    Attributes:
        rows: (N,) their manifest rows, reals first, each class by the first detector's score.
        images: (N,) the faces, (H, W, 3) uint8 RGB.
        detectors: (D,) names.
        scores: (D, N) P(fake).
        source: which faces they are, in words.
    """

    rows: pd.DataFrame
    images: list[Image]
    detectors: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    source: str

    def figure(self) -> Figure:
        """A row for each detector, in all rows the same faces, in green frames the reals, in red ones the fakes."""
        steps = [textwrap.fill(kind, NAME_WIDTH) for kind in kinds_of(self.rows)]
        frames = [VERMILION if label else GREEN for label in self.rows["label"]]
        below = [[f"{score:.3f}" for score in of] for of in self.scores]
        labels = [textwrap.fill(name, LABEL_WIDTH) for name in self.detectors]
        sheet = StepRows("P(fake)", [self.images] * len(labels), labels, below, frames)
        return step_sheet([sheet], steps, f"{self.source}; green frames: real, red frames: fake")

    def table(self) -> Table:
        """The scores of each face."""
        about = zip(kinds_of(self.rows), self.rows["video_id"], self.rows["frame"], strict=True)
        return Table(
            caption="P(fake) of the faces shown",
            row_header="Face",
            rows=tuple(f"{kind}: {PurePosixPath(video).name}, frame {frame}" for kind, video, frame in about),
            columns=tuple(Column(name, None) for name in self.detectors),
            values=tuple(tuple(map(float, of_face)) for of_face in self.scores.T),
        )


def read_examples(
    paths: Sequence[Path],
    test: str,
    data: Path,
    *,
    count: int = 3,
    seed: int = 0,
    profile: str = "dfb",
    threshold_on: Sequence[str] = (),
) -> Examples:
    """Choose faces of a test set over the range of the first detector's scores; no network is run.

    Args:
        paths: score tables, or folders that hold some at any depth; a row for each detector that was run on the test
            set, in this order.
        test: the test set.
        data: folder of stores and manifests.
        count: reals, and as many fakes.
        seed: of the choice.
        profile: name of the preprocessing profile.
        threshold_on: only faces that the first detector misjudges, at the threshold where it errs equally on reals and
            fakes of these data sets' val scores; none for all faces.

    Raises:
        InputError: there are no scores of the test set, a detector's are given twice, the faces are not there or
            cannot be read, no face has a score by all detectors, there are no such val scores, or no face is misjudged.
    """
    tables = files_below(paths, SCORES, MAKE_SCORES)
    chosen = [path for path in tables if path.parent.name == test]
    if not chosen:
        raise unknown("test set of these scores", test, {path.parent.name for path in tables})
    named: dict[str, Path] = {}
    for path in chosen:
        name = run_name(path, ScoreRecord.read(ScoreRecord.beside(path)))
        if name in named:
            raise InputError(f"{path}: {name} on {test} is given twice")
        named[name] = path
    return examples_of(
        list(named.items()), test, data, count=count, seed=seed, profile=profile, threshold_on=threshold_on
    )


def examples_of(
    tables: Sequence[tuple[str, Path]],
    test: str,
    data: Path,
    *,
    count: int = 3,
    seed: int = 0,
    profile: str = "dfb",
    threshold_on: Sequence[str] = (),
) -> Examples:
    """Likewise of score tables that are named.

    Args:
        tables: names of detectors, each with its scores of the test set.
        test: as for `read_examples`, like all that follows.
        data: folder.
        count: faces of each class.
        seed: of the choice.
        profile: name.
        threshold_on: names.

    Raises:
        InputError: as for `read_examples`.
    """
    columns = [_scores(path) for _, path in tables]
    scored = pd.concat(columns, axis=1, join="inner", keys=range(len(columns)))
    if not len(scored):
        raise InputError(f"no face of {test} has a score by {' and '.join(name for name, _ in tables)} alike")
    rows = load_rows(data, test, "test", profile=profile).astype({"video_id": str})
    found: pd.DataFrame = rows.merge(scored, on=FACE)
    if not len(found):
        raise InputError(f"none of the faces of {test} that were scored is in {data}, profile {profile}")
    of_video = found.groupby("video_id", sort=False)["frame"]
    found = found[of_video.cumcount() == (of_video.transform("size") - 1) // 2]
    (first, path), which = tables[0], ""
    if threshold_on:
        threshold = threshold_of(val_scores_beside(path, read_table(path)[0], threshold_on), "frame")
        which = f" if {first} misjudges it at {threshold:.4f}, the threshold of {', '.join(threshold_on)} val"
        found = found[(found[0] > threshold) != (found["label"] == 1)]
        if not len(found):
            raise InputError(f"{first} misjudges none of the faces of {test} that could be shown")
    rng = np.random.default_rng(seed)
    classes = [found[found["label"] == label] for label in (0, 1)]
    shown = pd.concat([one.iloc[spread_over(one[0].to_numpy(), count, rng)] for one in classes], ignore_index=True)
    source = (
        f"Faces: {test}, split test, of each video the middle one{which}, drawn evenly over the range of {first}'s "
        f"scores with seed {seed}"
    )
    names = tuple(name for name, _ in tables)
    return Examples(shown, _images(shown), names, shown[[*range(len(names))]].to_numpy(np.float64).T, source)


def spread_over(scores: npt.NDArray[np.float64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Places of scores that are spread over their range, from the lowest to the highest.

    The range is cut into equal intervals, and of each a score is drawn. An interval without any takes, after the
    others, the one nearest to its middle that is left.

    Args:
        scores: (N,).
        count: how many; all if there are no more.
        rng: of the draws.

    Returns:
        Places, by their scores.
    """
    left = rng.permutation(len(scores))
    if len(scores) > count:
        half = np.ptp(scores) / count / 2
        middles = scores.min() + half * (2 * np.arange(count) + 1)
        reach = half * (1 + 1e-9)  # so that rounding leaves no score on a border outside of both intervals
        distances = np.maximum(np.abs(scores - middles[:, None]), reach)
        chosen: list[int] = []
        for interval in np.argsort(distances.min(axis=1) > reach, kind="stable"):
            at = int(np.argmin(distances[interval, left]))
            chosen.append(int(left[at]))
            left = np.delete(left, at)
        left = np.array(chosen)
    return left[np.argsort(scores[left], kind="stable")]


def _scores(path: Path) -> "pd.Series[float]":
    """The scores of a table's faces, by `FACE`."""
    _, scores = read_table(path)
    return scores[scores["face"] >= 0].astype({"video_id": str}).set_index(FACE)["score"]


def _images(rows: pd.DataFrame) -> list[Image]:
    faces = FaceSet(rows)
    try:
        return [seen_face(faces.read(index)) for index in range(len(faces))]
    except BrokenSampleError as error:
        raise InputError(str(error)) from None
