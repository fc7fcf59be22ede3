"""The sections of a report that explain: robustness, confidence, errors, what detectors look at, their features."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.explain.cam import CamSheet, cam_sheet
from benchmark.explain.embed import Embedded, draw_embedded, embed, embedding_table
from benchmark.explain.errors import SetErrors, draw_errors, errors_table, set_errors
from benchmark.explain.robustness import draw_robustness
from benchmark.places import clean_scores_path, features_path, table_beside
from benchmark.report.collect import Collection, Result, Run
from benchmark.report.page import Block, Picture, Row, Section
from benchmark.report.sections import MOST_BARS, in_parts
from benchmark.robustness_tables import Found, read_robustness, robustness_table
from config.errors import InputError
from evaluation.plots.explanations import Confidence, confidence_rows
from evaluation.plots.style import png_bytes, svg_bytes
from evaluation.robustness import DISTANCES

AUC = "frame_auc"
LEVEL = "frame"
FACES_OF_EACH_CLASS = 1
MOST_HISTOGRAMS, MOST_MAPS = 4, 6  # in one picture, which on a page is as large as can be read


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
        caption = f"Frame AUC on {test_set} under the perturbations of suite {suite}; level 0: the clean crops."
        figure = draw_robustness(group, AUC, names=names)
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
        pictures += [Picture(svg_bytes(confidence_rows(part)), caption) for part in in_parts(rows, MOST_HISTOGRAMS)]
    return Section("Confidence", (Row(tuple(pictures)),))


def errors_section(found: Collection) -> Section:
    """The shares of reals and fakes that are misclassified at a threshold of val; empty without val scores."""
    by_source: dict[tuple[str, ...], list[SetErrors]] = defaultdict(list)
    for run in found.runs:
        for result in run.results.values():
            if result.sources:
                errors = set_errors(run.name, result.path, result.record, result.scored, result.sources, LEVEL)
                by_source[result.sources].append(errors)
    blocks: list[Block] = []
    for sources, found_errors in by_source.items():
        chosen_on = f"{', '.join(sources)} val"
        caption = f"Reals called fake and fakes called real at one threshold for each run, chosen on {chosen_on}."
        sets = sorted({one.test_set for one in found_errors})
        for shown in in_parts(sets, max(1, MOST_BARS // len({one.run for one in found_errors}))):
            figure = draw_errors([one for one in found_errors if one.test_set in shown], sources, LEVEL)
            blocks.append(Picture(svg_bytes(figure), caption, f"{caption} Figures below."))
        blocks.append(errors_table(found_errors, sources, LEVEL))
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
            (one,) = embed([path], seed=found.seed)
            title = _title(found, path, one.embedding.title)
            embedded.append(replace(one, embedding=replace(one.embedding, title=title)))
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
    run, _ = _whose(found, perturbed.path)
    return run.name if run else perturbed.run


def _title(found: Collection, features: Path, otherwise: str) -> str:
    """The run and test set that a feature file belongs to."""
    run, result = _whose(found, table_beside(features))
    return f"{run.name} on {result.test_set}" if run and result else otherwise


def _whose(found: Collection, table: Path) -> tuple[Run | None, Result | None]:
    """The run and result whose clean scores are a table's."""
    clean = clean_scores_path(table).resolve()
    of_all = ((run, result) for run in found.runs for result in run.results.values())
    return next(((run, result) for run, result in of_all if result.path.resolve() == clean), (None, None))


def _new_notes(footnotes: Iterable[str], found: Collection) -> tuple[str, ...]:
    """The footnotes of a table but those that stand at the head of the page."""
    said = {note for result in found.results for note in result.record.notes}
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
        if other.rows.equals(sheet.rows) and len(other.seen) < MOST_MAPS:
            sheets[index] = replace(other, seen=[*other.seen, *sheet.seen])
            return
    sheets.append(sheet)
