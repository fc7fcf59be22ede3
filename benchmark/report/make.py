"""`assay report`: one page from any set of runs."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.report.collect import Collection, collect
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
from evaluation.bootstrap import RESAMPLES

MOST_SETS_IN_LEAD = 4


def make_report(
    paths: Sequence[Path],
    out: Path,
    *,
    title: str = "Assay report",
    resamples: int = RESAMPLES,
    seed: int = 0,
    console: Console,
) -> Report:
    """Write one page on everything that is found below some paths.

    Args:
        paths: run folders, evaluation folders, score tables, or folders of these at any depth.
        out: the HTML file.
        title: its heading.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        console: where progress is shown.

    Returns:
        What was written.

    Raises:
        InputError: as for `collect`, or the file cannot be written.
    """
    found = collect(paths, resamples=resamples, seed=seed, console=console)
    report = Report(title, lead(found), sections(found), (*differing_samples(found), *all_notes(found)))
    write_report(out, report)
    return report


def sections(found: Collection) -> tuple[Section, ...]:
    """Everything there is to say of some runs; a section that would be empty is left out."""
    made = (
        leaderboard_section(found),
        curves_section(found),
        calibration_section(found),
        manipulations_section(found),
        coverage_section(found),
        metrics_section(found),
        provenance_section(found),
    )
    return tuple(section for section in made if section.blocks)


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
