"""The sections of a report that follow from clean scores: leaderboard, curves, calibration, manipulations, coverage."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from benchmark.report.collect import Collection, Manipulation, Result
from benchmark.report.page import Block, Picture, Row, Section
from benchmark.report.provenance import of_which_runs
from benchmark.score_tables import (
    bootstrap_note,
    calibration_table,
    metric_table,
    metric_title,
    summary_table,
)
from evaluation.averages import Reliability
from evaluation.plots.curves import Curve, det_figure, roc_figure
from evaluation.plots.measures import Bars, Calibration, bar_figure, reliability_figure
from evaluation.plots.style import svg_bytes
from evaluation.roc import OperatingPoints
from evaluation.tables import Column, Spread, Table

Item = TypeVar("Item")
MOST_BARS = 36  # in one picture, which fits a page


def leaderboard_section(found: Collection) -> Section:
    """Frame and video AUC: a row for each run, a column for each test set."""
    return Section("Leaderboard", tuple(_metric_table(found, name) for name in ("frame_auc", "video_auc")))


def curves_section(found: Collection) -> Section:
    """ROC and DET curves of each test set, a curve for each run."""
    return Section("ROC and DET curves", tuple(_curves(found)))


def calibration_section(found: Collection) -> Section:
    """The calibration error of each run on each test set, and reliability diagrams."""
    pictures = []
    for name in found.test_sets:
        curves = [
            Calibration(run, Reliability.of(result.scored.frame_labels, result.scored.frame_scores))
            for run, result in found.on(name).items()
            if result.scored.frame_labels.size
        ]
        told = _told(f"Reliability diagram of {name}, ECE", ((curve.name, curve.bins.error()) for curve in curves))
        caption = f"Share of fakes against mean score on {name}, single frames, in 15 bins of equal width."
        pictures.append(Picture(svg_bytes(reliability_figure(curves, name)), caption, told))
    return Section("Calibration", (_metric_table(found, "frame_ece", intervals=False), Row(tuple(pictures))))


def manipulations_section(found: Collection) -> Section:
    """The frame AUC of each manipulation against all reals, for the test sets that hold several."""
    blocks: list[Block] = []
    for name in found.test_sets:
        results = found.on(name)
        known = dict.fromkeys(each.name for result in results.values() for each in result.manipulations)
        if len(known) > 1:
            blocks += _manipulations(found, name, results, tuple(known))
    return Section("By manipulation", tuple(blocks))


def metrics_section(found: Collection) -> Section:
    """All metrics of each run."""
    blocks: list[Block] = []
    for run in found.runs:
        measured = [(name, run.results[name].measured) for name in sorted(run.results)]
        for table in (summary_table(measured), calibration_table(measured)):
            blocks.append(replace(table, caption=f"{run.name}: {table.caption[0].lower()}{table.caption[1:]}"))
    return Section("All metrics", tuple(blocks))


def coverage_section(found: Collection) -> Section:
    """What was scored of each test set, what has no face, and what was skipped for which reason."""
    rows = {
        (name if len(alike) == len(found.on(name)) else f"{name} ({', '.join(alike)})"): result
        for name in found.test_sets
        for alike, result in _alike(found.on(name))
    }
    reasons = sorted({reason for result in rows.values() for reason in result.record.skipped})
    names = ("real videos", "fake videos", "frames with a face", "frames without", "videos without", *reasons)
    table = Table(
        caption="What was scored of each test set",
        row_header="Test set",
        rows=tuple(rows),
        columns=tuple(
            Column(name, None, group="skipped, by reason" if name in reasons else "", format=",.0f") for name in names
        ),
        values=tuple((*_counts(result), *_skipped(result, reasons)) for result in rows.values()),
        footnotes=tuple(sorted({result.measured.metrics.note for result in rows.values()} - {""})),
    )
    return Section("Coverage", (table,))


def differing_samples(found: Collection) -> Iterator[str]:
    """A note for each test set of which the runs did not score the same samples."""
    for name in found.test_sets:
        if len(list(_alike(found.on(name)))) > 1:
            yield f"{name}: the runs were not scored on the same manifest rows, so that their figures do not compare"


def _metric_table(found: Collection, metric: str, *, intervals: bool = True) -> Table:
    shown: dict[str, dict[str, tuple[float | None, Spread | None]]] = {
        run.name: {
            name: (
                getattr(result.measured.metrics, metric),
                result.measured.intervals.get(metric) if intervals else None,
            )
            for name, result in run.results.items()
        }
        for run in found.runs
    }
    noted = {
        run.name: [f"{name}: {text}" for name, result in run.results.items() if (text := result.measured.metrics.note)]
        for run in found.runs
    }
    notes = [*of_which_runs(noted)]
    notes += [bootstrap_note(found.resamples, found.seed)] if intervals else []
    table = metric_table(metric, found.test_sets, shown, notes)
    return table.mean_column("Avg.", group=metric_title(metric)) if len(found.test_sets) > 1 else table


def _curves(found: Collection) -> Iterator[Row]:
    for name in found.test_sets:
        curves = [
            Curve(run, OperatingPoints.of(result.scored.frame_labels, result.scored.frame_scores))
            for run, result in found.on(name).items()
            if result.measured.metrics.frame_auc is not None
        ]
        if curves:
            areas, rates = (
                [(each.name, of(each.points)) for each in curves] for of in (OperatingPoints.auc, OperatingPoints.eer)
            )
            yield Row(
                (
                    Picture(
                        svg_bytes(roc_figure(curves, name)),
                        f"ROC curves of single frames on {name}.",
                        _told(f"ROC curves on {name}, AUC", areas),
                    ),
                    Picture(
                        svg_bytes(det_figure(curves, name)),
                        f"DET curves of single frames on {name}; the points are those of equal error.",
                        _told(f"DET curves on {name}, EER", rates),
                    ),
                )
            )


def _manipulations(found: Collection, name: str, results: dict[str, Result], known: tuple[str, ...]) -> list[Block]:
    of_run = {run: {each.name: each for each in result.manipulations} for run, result in results.items()}
    shown: dict[str, dict[str, tuple[float | None, Spread | None]]] = {
        run: {each.name: (each.auc, each.interval) for each in own.values()} for run, own in of_run.items()
    }
    table = metric_table("frame_auc", known, shown, [bootstrap_note(found.resamples, found.seed)])
    table = replace(table, caption=f"{name}: frame AUC of each manipulation against all reals")
    caption = f"Frame AUC of each manipulation of {name} against all reals, with 95 % intervals; chance is 0.5."
    told = f"The table above as bars: frame AUC by manipulation on {name}."
    pictures = [
        Picture(svg_bytes(bar_figure(shown, own, "Frame AUC", name, chance=0.5)), caption, told)
        for shown, own in _bars(known, of_run)
    ]
    return [table.mean_column("Avg.", group=metric_title("frame_auc")), *pictures]


def _bars(
    known: Sequence[str], of_run: dict[str, dict[str, Manipulation]]
) -> Iterator[tuple[Sequence[str], list[Bars]]]:
    """Some manipulations with the bars of all runs, as many at a time as one picture holds."""
    for shown in in_parts(known, max(1, MOST_BARS // len(of_run))):
        yield (
            shown,
            [
                Bars(
                    run,
                    [own[each].auc if each in own else None for each in shown],
                    [own[each].interval if each in own else None for each in shown],
                )
                for run, own in of_run.items()
            ],
        )


def in_parts(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    """Items in their order, at most so many together."""
    yield from (items[first : first + most] for first in range(0, len(items), most))


def _alike(results: dict[str, Result]) -> list[tuple[list[str], Result]]:
    """The runs that scored the same manifest rows, and the result of one of them."""
    groups: dict[str, tuple[list[str], Result]] = {}
    for run, result in results.items():
        groups.setdefault(result.record.manifest_sha256, ([], result))[0].append(run)
    return list(groups.values())


def _counts(result: Result) -> tuple[float, ...]:
    metrics, scored = result.measured.metrics, result.scored
    fakes = int(scored.video_labels.sum())
    return (
        float(scored.video_labels.size - fakes),
        float(fakes),
        float(metrics.n_frames),
        float(metrics.n_faceless_frames),
        float(metrics.n_faceless_videos),
    )


def _skipped(result: Result, reasons: Iterable[str]) -> tuple[float, ...]:
    return tuple(float(result.record.skipped.get(reason, 0)) for reason in reasons)


def _told(about: str, values: Iterable[tuple[str, float | None]]) -> str:
    """What a figure shows, in words: "ROC curves on DemoX, AUC: sbi 0.732, vht 0.775"."""
    return f"{about}: {', '.join(f'{name} {_rounded(value)}' for name, value in values)}"


def _rounded(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
