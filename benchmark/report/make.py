"""`assay report`: one page from any set of runs."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmark.report.collect import Collection, collect
from benchmark.report.explanations import (
    Faces,
    cam_section,
    confidence_section,
    errors_section,
    features_section,
    robustness_section,
)
from benchmark.report.page import Report, Section, write_report
from benchmark.report.provenance import all_notes, provenance_section
from benchmark.report.sections import (
    calibration_section,
    coverage_section,
    curves_section,
    differing_samples,
    leaderboard_section,
    manipulations_section,
    metrics_section,
)
from config.errors import InputError
from evaluation.bootstrap import RESAMPLES

MOST_SETS_IN_LEAD = 4


def make_report(
    paths: Sequence[Path],
    out: Path,
    *,
    data: Path | None = None,
    profile: str = "dfb",
    title: str = "Assay report",
    resamples: int = RESAMPLES,
    seed: int = 0,
    device: str = "auto",
    console: Console,
) -> Report:
    """Write one page on everything that is found below some paths.

    Args:
        paths: run folders, evaluation folders, score tables, or folders of these at any depth.
        out: the HTML file.
        data: folder of stores and manifests, for pictures of what detectors look at; None leaves these out.
        profile: preprocessing profile of these.
        title: its heading.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        device: where detectors run that are asked what they look at.
        console: where progress is shown.

    Returns:
        What was written.

    Raises:
        InputError: as for `collect`, there is no folder `data`, or the file cannot be written.
    """
    if data is not None and not data.is_dir():
        raise InputError(f"--data: no such folder: {data}")
    found = collect(paths, resamples=resamples, seed=seed, console=console)
    faces = Faces(data, profile, device) if data else None
    report = Report(title, lead(found), tuple(sections(found, faces)), notes(found))
    write_report(out, report)
    console.print(f"report: {out}", highlight=False, markup=False)
    return report


def sections(found: Collection, faces: Faces | None) -> Iterator[Section]:
    """Everything there is to say of some runs; a section that would be empty is left out."""
    for made_by in (
        leaderboard_section,
        curves_section,
        manipulations_section,
        robustness_section,
        confidence_section,
        errors_section,
        calibration_section,
        partial(cam_section, faces=faces),
        features_section,
        metrics_section,
        coverage_section,
        provenance_section,
    ):
        section = made_by(found)
        if section.blocks:
            yield section


def notes(found: Collection) -> tuple[str, ...]:
    """What holds for all of it: test sets whose figures do not compare, and what the records say."""
    return (*differing_samples(found), *all_notes(found))


def lead(found: Collection) -> str:
    """What was measured, and the highest frame AUC of each test set where these are few."""
    runs, sets = len(found.runs), found.test_sets
    counted = f"{runs} run{'' if runs == 1 else 's'} on {len(sets)} test set{'' if len(sets) == 1 else 's'}"
    best = [text for name in sets if (text := _best(found, name))] if len(sets) <= MOST_SETS_IN_LEAD else []
    return f"{counted}. " + (f"Highest frame AUC: {', '.join(best)}." if best else "")


def _best(found: Collection, test_set: str) -> str:
    values = [(result.measured.metrics.frame_auc, run) for run, result in found.on(test_set).items()]
    known = [(value, run) for value, run in values if value is not None]
    if not known:
        return ""
    value, run = max(known)
    return f"{value:.3f} on {test_set} ({run})" if len(found.runs) > 1 else f"{value:.3f} on {test_set}"
