"""Commands that show what score tables say: in a table, beside each other, on a page."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import (
    BootstrapSeed,
    Device,
    Form,
    Format,
    Plugin,
    Resamples,
    ThresholdOn,
    load_plugins,
    make_console,
)
from config.errors import InputError


def table(
    scores: Annotated[list[Path], typer.Argument(help="Score tables (scores.parquet) or folders that hold some.")],
    metric: Annotated[
        str, typer.Option(help="frame_ or video_ and auc, eer, ap, acc, ece, brier, ...; with --perturb also mpd.")
    ] = "frame_auc",
    perturb: Annotated[str | None, typer.Option(help="The scores under this perturbation suite, by level.")] = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="With --perturb: the share that a metric loses; of mpd, in typical ones.")
    ] = False,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="95 % intervals from a bootstrap over videos.")
    ] = False,
    over_seeds: Annotated[
        bool, typer.Option("--over-seeds", help="Mean ± deviation of the runs that differ in their seed alone.")
    ] = False,
    threshold_on: ThresholdOn = None,
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    form: Form = Format.md,
) -> None:
    """One metric of score tables: a row for each run, a column for each test set, or for each perturbation."""
    from benchmark.robustness_tables import robustness_tables
    from benchmark.score_tables import runs_table
    from benchmark.seeds import runs_table_over_seeds
    from evaluation.render import FORMATS

    if intervals and over_seeds:
        raise InputError("--intervals and --over-seeds both put a spread beside the values; choose one of them")
    if relative and not perturb:
        raise InputError("--relative compares with the clean crops: name a suite with --perturb")
    if perturb and (intervals or over_seeds):
        raise InputError(
            "--perturb puts the deviation over draws beside the values: leave --intervals and --over-seeds"
        )
    on = threshold_on or ()
    if perturb:
        drawn_tables = robustness_tables(scores, perturb, metric, relative=relative, threshold_on=on)
        typer.echo("\n".join(FORMATS[form.value](table) for table in drawn_tables), nl=False)
        return
    if over_seeds:
        drawn = runs_table_over_seeds(scores, metric, threshold_on=on)
    else:
        drawn = runs_table(scores, metric, intervals=intervals, threshold_on=on, resamples=resamples, seed=seed)
    typer.echo(FORMATS[form.value](drawn), nl=False)


def compare(
    first: Annotated[Path, typer.Argument(help="A score table (scores.parquet), or a folder that holds one.")],
    second: Annotated[Path, typer.Argument(help="Another detector's, of the same test set.")],
    metric: Annotated[str, typer.Option(help="frame_auc or video_auc.")] = "frame_auc",
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    form: Form = Format.md,
) -> None:
    """Two detectors on the same samples: the difference of their AUCs, its interval and p-values."""
    from benchmark.score_tables import comparison_table
    from evaluation.render import FORMATS

    drawn = comparison_table(first, second, metric, resamples=resamples, seed=seed)
    typer.echo(FORMATS[form.value](drawn), nl=False)


def published(
    source: Annotated[str | None, typer.Argument(help="A source, such as prodet; without one, all are listed.")] = None,
    table: Annotated[str | None, typer.Argument(help="One of its tables, such as 'Table 1'; default: all.")] = None,
    averages: Annotated[
        bool, typer.Option("--averages", help="As CSV: all printed means, with what their figures give.")
    ] = False,
    form: Form = Format.md,
) -> None:
    """Figures as papers print them, which stand beside those of `assay reproduce`."""
    from benchmark.published import listing, published_table, published_tables
    from evaluation.published import averages_csv, read_source
    from evaluation.render import FORMATS

    if averages and source:
        raise InputError("--averages is of all sources: leave out which")
    if averages:
        typer.echo(averages_csv(), nl=False)
    elif source is None:
        for name, about in listing():
            typer.echo(f"{name:20} {about}".rstrip())
    else:
        found = read_source(source)
        shown = [published_table(found.table(table), found.citation)] if table else published_tables(found)
        typer.echo("\n".join(map(FORMATS[form.value], shown)), nl=False)


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, evaluation folders, score tables, or folders that hold some.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder of face stores: also show in which parts of faces detectors see fakes.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Preprocessing profile of these.")] = "dfb",
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    title: Annotated[str, typer.Option(help="Its heading.")] = "Assay report",
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    device: Device = "auto",
    plugin: Plugin = None,
) -> None:
    """One HTML file on any set of runs: leaderboard, curves, calibration, robustness, coverage, provenance."""
    from benchmark.report.make import make_report

    load_plugins(plugin)
    make_report(
        runs,
        out,
        data=data,
        profile=profile,
        title=title,
        resamples=resamples,
        seed=seed,
        device=device,
        console=make_console(),
    )
