"""The sections of a report that explain: robustness, confidence, errors, what detectors look at, their features."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.explain.cam import CamSheet, cam_sheet
from benchmark.explain.embed import Embedded, draw_embedded, embed, embedding_table
from benchmark.explain.errors import SetErrors, draw_errors, errors_table, read_errors
from benchmark.explain.robustness import level_curves
from benchmark.leaderboard import metric_title
from benchmark.places import features_path
from benchmark.report.collect import Collection, Result, Run
from benchmark.report.page import Block, Picture, Row, Section
from benchmark.report.provenance import all_notes
from benchmark.robustness_tables import Found, read_robustness, robustness_table
from config.errors import InputError
from evaluation.plots.explanations import Confidence, confidence_rows, level_panels
from evaluation.plots.style import png_bytes, svg_bytes
from evaluation.robustness import DISTANCES

AUC = "frame_auc"
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
    blocks: list[Block] = []
    for group in _that_compare(_perturbed(found)):
        suite, test_set, names = group[0].suite.name, group[0].test_set, [_name(found, one) for one in group]
        caption = (
            f"{metric_title(AUC)} on {test_set} under the perturbations of suite {suite}; level 0: the clean crops."
        )
        curves = [curve for one, name in zip(group, names, strict=True) for curve in level_curves(one, name, AUC)]
        figure = level_panels(curves, metric_title(AUC), "bands: standard deviation over draws")
        blocks.append(Picture(svg_bytes(figure), caption, f"{caption} Figures below."))
        has_distances = all(one.robustness.distances for one in group)
        kinds = [(AUC, False), (AUC, True), *([(metric, False) for metric in DISTANCES] if has_distances else [])]
        for metric, relative in kinds:
            table = robustness_table(group, metric, relative=relative)
            blocks.append(replace(table, rows=tuple(names), footnotes=_new_notes(table.footnotes, found)))
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
    """The features of each run and test set in a plane, where there is a file of them, or why there is none of one."""
    embedded: list[Embedded] = []
    missing: list[Block] = []
    for path in found.features:
        try:
            embedded += embed([path], seed=found.seed)
        except InputError as error:
            missing.append(f"No plane of features: {error}.")
    if not embedded:
        return Section("Features", tuple(missing))
    pictures = []
    for one in embedded:
        caption = f"Features of {one.embedding.title} in a plane, by t-SNE."
        told = f"{caption} How far reals and fakes lie apart is in the table below."
        pictures.append(Picture(svg_bytes(draw_embedded([one], found.seed)), caption, told))
    return Section("Features", (Row(tuple(pictures)), embedding_table(embedded), *missing))


def _perturbed(found: Collection) -> Iterator[Found]:
    """What the perturbed tables of test splits say, with the distances of features where there is a file of them."""
    for path in found.perturbed:
        read = read_robustness(path, distances=features_path(path).is_file())
        if read.is_test:
            yield read


def _that_compare(perturbed: Iterable[Found]) -> list[list[Found]]:
    """Groups of one test set and one suite, in which no run is there twice."""
    groups: list[list[Found]] = []
    for one in perturbed:
        of = (one.test_set, one.suite.sha256)
        for group in groups:
            if (group[0].test_set, group[0].suite.sha256) == of and one.run not in [other.run for other in group]:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _name(found: Collection, perturbed: Found) -> str:
    """The name of the run whose clean scores lie above perturbed ones; its own if there are none."""
    folder = perturbed.path.resolve().parent.parent
    names = (run.name for run in found.runs for one in run.results.values() if one.path.resolve().parent == folder)
    return next(names, perturbed.run)


def _new_notes(footnotes: Iterable[str], found: Collection) -> tuple[str, ...]:
    """The footnotes of a table but those that stand at the head of the page."""
    said = set(all_notes(found))
    return tuple(note for note in footnotes if note not in said)


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
