"""The sections of a report that explain: robustness, confidence, errors, what detectors look at, their features."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.explain.cam import CamSheet, cam_sheet
from benchmark.explain.embed import draw_embedded, embed, embedding_table
from benchmark.explain.errors import SetErrors, draw_errors, errors_table, read_errors
from benchmark.explain.robustness import Robustness, draw_robustness, levels_table, read_robustness
from benchmark.report.collect import Collection, Result, Run
from benchmark.report.page import Block, Picture, Row, Section
from config.errors import InputError
from evaluation.plots.explanations import Confidence, confidence_rows
from evaluation.plots.style import png_bytes, svg_bytes

ROBUSTNESS_METRIC = "frame_auc"
LEVEL = "frame"
FACES_OF_EACH_CLASS = 1


@dataclass(frozen=True, slots=True)
class Faces:
    """Where faces are that detectors are asked about.

    Attributes:
        data: folder of stores and manifests.
        profile: preprocessing profile.
        device: where detectors run.
    """

    data: Path
    profile: str = "dfb"
    device: str = "cpu"


def robustness_section(found: Collection) -> Section:
    """What is lost under each suite of perturbations on each test set; empty where nothing was perturbed."""
    names = {result.path.resolve().parent: run.name for run in found.runs for result in run.results.values()}
    by_suite: dict[tuple[str, str], list[Robustness]] = defaultdict(list)
    for path in found.perturbed:
        (read,) = read_robustness([path], ROBUSTNESS_METRIC)
        own = replace(read, run=names.get(path.resolve().parent.parent, read.run))
        by_suite[own.test_set, own.suite].append(own)
    blocks: list[Block] = []
    for (test_set, suite), curves in by_suite.items():
        figure = draw_robustness(curves, ROBUSTNESS_METRIC, relative=False)
        caption = f"Frame AUC on {test_set} under the perturbations of the suite {suite}, by level."
        blocks.append(Picture(svg_bytes(figure), caption, f"{caption} Figures below."))
        table = levels_table(curves, ROBUSTNESS_METRIC, relative=False)
        blocks.append(replace(table, caption=f"{test_set}, suite {suite}: {table.caption}", footnotes=()))
    return Section("Robustness", tuple(blocks))


def confidence_section(found: Collection) -> Section:
    """How the scores of each run are spread over reals and fakes of each test set."""
    pictures = []
    for name in found.test_sets:
        rows = []
        for run, result in found.on(name).items():
            labels, scores = result.scored.frame_labels, result.scored.frame_scores
            rows.append(Confidence(run, scores[labels == 0], scores[labels == 1]))
        caption = f"Scores of single frames on {name}, by class: P(fake), and the difference of its logits."
        pictures.append(Picture(svg_bytes(confidence_rows(rows)), caption))
    return Section("Confidence", (Row(tuple(pictures)),))


def errors_section(found: Collection) -> Section:
    """The shares of reals and fakes that are misclassified at a threshold of val; empty without val scores."""
    by_source: dict[tuple[str, ...], list[SetErrors]] = defaultdict(list)
    for run in found.runs:
        for result in run.results.values():
            if result.sources:
                (read,) = read_errors([result.path], result.sources, LEVEL)
                by_source[result.sources].append(replace(read, run=run.name))
    blocks: list[Block] = []
    for sources, errors in by_source.items():
        chosen_on = f"{', '.join(sources)} val"
        caption = f"Reals called fake and fakes called real at one threshold for each run, chosen on {chosen_on}."
        blocks.append(Picture(svg_bytes(draw_errors(errors, sources, LEVEL)), caption, f"{caption} Figures below."))
        blocks.append(errors_table(errors, sources, LEVEL))
    return Section("Errors at one threshold", tuple(blocks))


def cam_section(found: Collection, faces: Faces | None) -> Section:
    """Grad-CAM of the runs whose weights are there, on a few faces of each test set, or why there is none of one."""
    heading, blocks = "What detectors look at", list[Block]()
    if faces is None:
        return Section(heading, ())
    for name in found.test_sets:
        sheets: list[CamSheet] = []
        for run in found.runs:
            if name in run.results and run.weights:
                try:
                    _add(sheets, _sheet(run, run.results[name], faces))
                except InputError as error:
                    blocks.append(f"No Grad-CAM of {run.name} on {name}: {error}.")
        for sheet in sheets:
            caption = f"Faces of {name}, and where each detector sees in them what speaks for fake (Grad-CAM)."
            blocks.append(Picture(png_bytes(sheet.figure()), caption, f"{caption} P(fake) is in the table below."))
            blocks.append(sheet.table())
    return Section(heading, tuple(blocks))


def features_section(found: Collection) -> Section:
    """The features of each run and test set in a plane, where there is a file of them."""
    blocks: list[Block] = []
    for path in found.features:
        try:
            embedded = embed([path], seed=found.seed)
        except InputError as error:
            blocks.append(f"No plane of features: {error}.")
            continue
        title = embedded[0].embedding.title
        caption = f"Features of {title} in a plane, by t-SNE."
        told = f"{caption} How far reals and fakes lie apart is in the table below."
        blocks.append(Picture(svg_bytes(draw_embedded(embedded, found.seed)), caption, told))
        blocks.append(embedding_table(embedded))
    return Section("Features", tuple(blocks))


def _sheet(run: Run, result: Result, faces: Faces) -> CamSheet:
    """Grad-CAM of one run on a few faces of the set that a result is of."""
    weights = [run.weights] if run.weights else []
    sheet = cam_sheet(
        weights,
        result.dataset,
        faces.data,
        split=result.split,
        per_class=FACES_OF_EACH_CLASS,
        profile=faces.profile,
        device=faces.device,
    )
    return replace(sheet, seen=[replace(one, name=run.name) for one in sheet.seen])


def _add(sheets: list[CamSheet], sheet: CamSheet) -> None:
    """Put a run's maps beside those of the same faces, or begin a sheet of its own."""
    for index, other in enumerate(sheets):
        if other.rows.equals(sheet.rows):
            sheets[index] = replace(other, seen=[*other.seen, *sheet.seen])
            return
    sheets.append(sheet)
