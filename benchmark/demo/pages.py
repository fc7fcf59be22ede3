"""What the demo leaves for a reader: tables, figures, and the report that holds them."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from benchmark.demo.light import BASELINE
from benchmark.evaluate import Evaluated
from benchmark.report.collect import collect
from benchmark.report.explanations import Faces
from benchmark.report.make import lead, notes, sections
from benchmark.report.page import Facts, Picture, Report, Section, write_report
from benchmark.score_tables import calibration_table, manipulation_table, summary_table
from config.files import atomic_path
from evaluation.metrics import group_scores
from evaluation.plots.curves import Curve, roc_figure, score_histogram
from evaluation.plots.sheets import crop_sheet
from evaluation.plots.style import png_bytes
from evaluation.render import FORMATS, save_table
from evaluation.roc import OperatingPoints
from evaluation.scores import read_scores
from evaluation.tables import Table
from preprocessing.manifest import coverage
from preprocessing.rows import load_rows
from preprocessing.samples import FaceSet

PEOPLE_ON_SHEET = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A detector that the demo has trained.

    Attributes:
        name: the name of its run's folder.
        run: the run's folder.
        epochs: how many it was trained for.
        images: how many it was shown in each.
        results: of each test set.
    """

    name: str
    run: Path
    epochs: int
    images: int
    results: tuple[Evaluated, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What its records say that a reader must know."""
        return tuple(sorted({text for result in self.results for text in result.record.notes}))


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the pages are."""

    report: Path
    folder: Path


def write_pages(
    out: Path,
    data: Path,
    rows: Mapping[str, pd.DataFrame],
    outcomes: Sequence[Outcome],
    leaderboard: Table,
    note: str,
    started: float,
) -> Pages:
    """Write `out/report.html` and, in `out/results`, tables and figures; of several detectors each has a folder there.

    Args:
        out: the demo's folder.
        data: folder of stores and manifests.
        rows: each test set's manifest.
        outcomes: of each detector, at least one.
        leaderboard: the table that they are all in.
        note: what holds for all of it.
        started: when the demo was, by time.monotonic.
    """
    folder = out / "results"
    tables = {"leaderboard": leaderboard, **_tables(outcomes, note)}
    pictures = {name: png_bytes(figure) for name, figure in _figures(outcomes, data).items()}
    for name, table in tables.items():
        for suffix in FORMATS:
            save_table(table, folder / f"{name}.{suffix}")
    for name, content in pictures.items():
        with atomic_path(folder / f"{name}.png") as scratch:
            scratch.write_bytes(content)
    scores = [result.scores for outcome in outcomes for result in outcome.results]
    found = collect(scores, console=Console(quiet=True)).named({outcome.run: outcome.name for outcome in outcomes})
    report = Report(
        title="Assay demo",
        lead=lead(found),
        sections=(*sections(found, Faces(data)), *_sections(pictures, rows, outcomes)),
        notes=(note, *notes(found), f"made in {time.monotonic() - started:.0f} s"),
    )
    write_report(out / "report.html", report)
    return Pages(out / "report.html", folder)


def _titles(outcomes: Sequence[Outcome]) -> list[str]:
    """What tells detectors apart in captions and names of files: nothing where there is one alone."""
    return [outcome.name if len(outcomes) > 1 else "" for outcome in outcomes]


def _file(title: str, name: str) -> str:
    return str(PurePosixPath(title, name))


def _tables(outcomes: Sequence[Outcome], note: str) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for outcome, title in zip(outcomes, _titles(outcomes), strict=True):
        measured = [(result.dataset, result.measured) for result in outcome.results]
        notes = (note, *outcome.notes)
        own = {
            "metrics": summary_table(measured, notes),
            "calibration": calibration_table(measured),
            **{f"manipulations_{each.dataset}": manipulation_table(each.scores, notes) for each in outcome.results},
        }
        about = f" ({title})" if title else ""
        tables |= {_file(title, name): replace(table, caption=table.caption + about) for name, table in own.items()}
    return tables


def _figures(outcomes: Sequence[Outcome], data: Path) -> dict[str, Figure]:
    curves, figures = [], {}
    for outcome, title in zip(outcomes, _titles(outcomes), strict=True):
        for result in outcome.results:
            part, name = group_scores(read_scores(result.scores)), result.dataset
            heading = f"{title} on {name}" if title else name
            curves.append(Curve(heading, OperatingPoints.of(part.frame_labels, part.frame_scores)))
            real, fake = (part.frame_scores[part.frame_labels == label] for label in (0, 1))
            figures[_file(title, f"scores_{name}")] = score_histogram(real, fake, heading)
    sheets = {f"crops_{result.dataset}": _sheet(data, result.dataset) for result in outcomes[0].results}
    return {"roc": roc_figure(curves, "Frames of the demo's test sets"), **figures, **sheets}


def _sections(
    pictures: Mapping[str, bytes], rows: Mapping[str, pd.DataFrame], outcomes: Sequence[Outcome]
) -> Iterator[Section]:
    """What the demo has beside any other report: its crops, what was found in its clips, how long it trained."""
    for name, manifest in rows.items():
        crops = Picture(pictures[f"crops_{name}"], f"Test crops of {name} with their 81 landmarks.")
        yield Section(f"Crops of {name}", (crops, Facts(_coverage(manifest))))
    yield Section("Training", tuple(Facts(_training(outcome), outcome.name) for outcome in outcomes))


def _training(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    facts = (("trained on", "DemoFF train"), ("epochs", str(outcome.epochs)))
    if outcome.name == BASELINE:
        return facts
    images = f"{outcome.epochs * outcome.images} in all; the number of epochs brings this near to the baseline's"
    return (*facts, ("images shown", images))


def _coverage(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    counts = coverage(rows)
    named = {"videos": counts.videos, "frames": counts.frames, "faces": counts.faces, **counts.skips}
    return tuple((name, str(number)) for name, number in named.items())


def _sheet(data: Path, dataset: str) -> Figure:
    """Middle frames of a few people's test clips, each real beside what was made of it."""
    rows = load_rows(data, dataset, "test")
    stored = rows[rows["skip"] == ""]
    of_video = stored.groupby("video_id", sort=False)
    middle = stored[of_video.cumcount() == of_video["frame"].transform("size") // 2]
    people = sorted(middle.loc[middle["label"] == 1, "identity_target"].unique())[:PEOPLE_ON_SHEET]
    chosen = middle[middle["identity_target"].isin(people)].sort_values(["identity_target", "label", "method"])
    faces = FaceSet(chosen, with_landmark=True)
    samples = [faces.read(index) for index in range(len(faces))]
    labels = [f"{person}: {method}" for person, method in faces.rows[["identity_target", "method"]].to_numpy()]
    columns = int(np.bincount(faces.rows.groupby("identity_target").ngroup()).max())
    return crop_sheet(
        [sample.image for sample in samples], [sample.landmark for sample in samples], labels, columns, dataset
    )
