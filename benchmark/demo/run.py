"""`assay demo`: from stills to video files, crops, a trained baseline, tables and a report, all on the embedded set."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console

from benchmark.check import check_dataset, verdict
from benchmark.demo.build import build_demo
from benchmark.evaluate import Evaluated, evaluate_weights
from benchmark.leaderboard import calibration_table, leaderboard, manipulation_table, summary_table
from benchmark.preprocess import preprocess_dataset
from benchmark.progress import progress
from benchmark.report import Facts, Picture, Report, Section, write_report
from benchmark.train import train_detector
from config.files import write_text
from evaluation.metrics import group_scores
from evaluation.plots import Curve, crop_sheet, png_bytes, roc_figure, save_figure, score_histogram
from evaluation.render import FORMATS, save_table
from evaluation.roc import OperatingPoints
from evaluation.scores import read_scores
from evaluation.tables import Table
from preprocessing.manifest import coverage
from preprocessing.samples import FaceSet, load_rows

DETECTOR = "efficientnet_lite0"
DATASETS = ("DemoFF", "DemoX")
FRAMES = 8
EPOCHS = 4
PEOPLE_ON_SHEET = 3
STILLS_NOTE = "The people are GAN stills of nobody, animated; the forgeries are small classical substitutes"
PHOTOS_NOTE = "The people are your photographs, animated; the forgeries are small classical substitutes"


def run_demo(
    out: Path,
    *,
    faces: Path | None,
    seed: int,
    landmarks: Path | None,
    device: str,
    workers: int | None,
    console: Console,
) -> Path:
    """Build, preprocess, train, evaluate and report; what an earlier call finished is kept.

    Args:
        out: folder for everything that is made.
        faces: photographs to use instead of the embedded stills.
        seed: of the clips and of training.
        landmarks: 81-point predictor for preprocessing.
        device: where to train and evaluate.
        workers: processes; None takes what suits each step.
        console: where progress is shown.

    Returns:
        The report's path.
    """
    started = time.monotonic()
    media, data, run = out / "media", out / "data", out / "runs" / DETECTOR
    with progress("make the demo's videos", console) as report:
        build_demo(media, faces, seed, workers, report)
    _forget_other_media(out)
    for name in DATASETS:
        console.print(verdict(check_dataset(name, media / name, workers=workers, console=console)), highlight=False)
    rows = {
        name: preprocess_dataset(
            name,
            media / name,
            data,
            profile="dfb",
            frames=FRAMES,
            stride=None,
            compression=None,
            landmarks=landmarks,
            workers=workers,
            console=console,
        )
        for name in DATASETS
    }
    train_detector(
        DETECTOR,
        data,
        run,
        train_sets=["DemoFF"],
        overrides=[f"nEpochs={EPOCHS}", f"manualSeed={seed}"],
        resume=(run / "config.yaml").is_file(),
        device=device,
        workers=workers,
        console=console,
    )
    results = evaluate_weights(
        run, DATASETS, data, threshold_on=DATASETS[:1], device=device, workers=workers, console=console
    )
    note = STILLS_NOTE if faces is None else PHOTOS_NOTE
    pages = _write_results(out, data, run, rows, results, note, time.monotonic() - started)
    console.print(f"\n{FORMATS['md'](pages.leaderboard)}", highlight=False, markup=False)
    console.print(f"report: {pages.report}   tables and figures: {pages.folder}", highlight=False)
    return pages.report


@dataclass(frozen=True, slots=True)
class Pages:
    """What the demo leaves for a reader."""

    report: Path
    folder: Path
    leaderboard: Table


def _write_results(
    out: Path,
    data: Path,
    run: Path,
    rows: dict[str, pd.DataFrame],
    results: Sequence[Evaluated],
    note: str,
    seconds: float,
) -> Pages:
    folder = out / "results"
    notes = (note, *sorted({text for result in results for text in result.record.notes}))
    tables = _tables(run, results, notes)
    figures = _figures(data, results)
    for name, table in tables.items():
        for suffix in FORMATS:
            save_table(table, folder / f"{name}.{suffix}")
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    report = Report(
        title="Assay demo",
        lead=_lead(results),
        sections=_sections(tables, figures, rows),
        notes=(*notes, f"made in {seconds:.0f} s"),
        environment=results[0].record.environment,
    )
    write_report(out / "report.html", report)
    return Pages(out / "report.html", folder, tables["leaderboard"])


def _tables(run: Path, results: Sequence[Evaluated], notes: Sequence[str]) -> dict[str, Table]:
    return {
        "leaderboard": leaderboard([run]),
        "metrics": summary_table([(result.dataset, result.measured) for result in results], notes),
        "calibration": calibration_table([(result.dataset, result.measured) for result in results]),
        **{f"manipulations_{result.dataset}": manipulation_table(result.scores, notes) for result in results},
    }


def _figures(data: Path, results: Sequence[Evaluated]) -> dict[str, Figure]:
    grouped = {result.dataset: group_scores(read_scores(result.scores)) for result in results}
    curves = [Curve(name, OperatingPoints.of(part.frame_labels, part.frame_scores)) for name, part in grouped.items()]
    figures = {"roc": roc_figure(curves, "Frames of the demo's test sets")}
    for name, part in grouped.items():
        real, fake = (part.frame_scores[part.frame_labels == label] for label in (0, 1))
        figures[f"scores_{name}"] = score_histogram(real, fake, name)
        figures[f"crops_{name}"] = _sheet(data, name)
    return figures


def _sections(
    tables: dict[str, Table], figures: dict[str, Figure], rows: dict[str, pd.DataFrame]
) -> tuple[Section, ...]:
    def picture(name: str, caption: str) -> Picture:
        return Picture(png_bytes(figures[name]), caption)

    training = (("detector", DETECTOR), ("trained on", "DemoFF train"), ("epochs", str(EPOCHS)))
    by_manipulation = (
        Section(
            f"{name}, by manipulation",
            (
                tables[f"manipulations_{name}"],
                picture(f"scores_{name}", f"Frame scores on {name}."),
                picture(f"crops_{name}", f"Test crops of {name} with their 81 landmarks."),
                Facts(_coverage(rows[name])),
            ),
        )
        for name in DATASETS
    )
    return (
        Section("Leaderboard", (tables["leaderboard"], picture("roc", "ROC curves of single frames."))),
        Section("All metrics", (tables["metrics"], tables["calibration"], Facts(training))),
        *by_manipulation,
    )


def _lead(results: Sequence[Evaluated]) -> str:
    """The demo's outcome in a sentence."""
    parts = [f"{_figure(result.metrics.frame_auc)} on {result.dataset}" for result in results]
    return f"{DETECTOR}, trained on DemoFF, reaches a frame AUC of {' and '.join(parts)}."


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _coverage(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    counts = coverage(rows)
    named = {"videos": counts.videos, "frames": counts.frames, "faces": counts.faces, **counts.skips}
    return tuple((name, str(number)) for name, number in named.items())


def _sheet(data: Path, dataset: str) -> Figure:
    """Middle frames of a few people's test clips, each real beside what was made of it."""
    rows = load_rows(data, dataset, "test")
    stored = rows[rows["skip"] == ""]
    middle = stored[stored.groupby("video_id", sort=False).cumcount() == FRAMES // 2]
    people = sorted(middle.loc[middle["label"] == 1, "identity_target"].unique())[:PEOPLE_ON_SHEET]
    chosen = middle[middle["identity_target"].isin(people)].sort_values(["identity_target", "label", "method"])
    faces = FaceSet(chosen, with_landmark=True)
    samples = [faces.read(index) for index in range(len(faces))]
    labels = [f"{person}: {method}" for person, method in faces.rows[["identity_target", "method"]].to_numpy()]
    columns = int(np.bincount(faces.rows.groupby("identity_target").ngroup()).max())
    return crop_sheet(
        [sample.image for sample in samples], [sample.landmark for sample in samples], labels, columns, dataset
    )


def _forget_other_media(out: Path) -> None:
    """Crops and weights made of other clips (another seed, other photographs) are removed, not mixed in."""
    stamp, used = out / "media" / "demo.json", out / "made_of.json"
    made_of = stamp.read_text(encoding="utf-8")
    if not used.is_file() or used.read_text(encoding="utf-8") != made_of:
        for part in ("data", "runs", "results"):
            shutil.rmtree(out / part, ignore_errors=True)
        write_text(used, made_of)
