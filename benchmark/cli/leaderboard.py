"""`assay leaderboard`: a ranking of runs, and whether somebody else's follows from its score tables."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from benchmark.cli.options import BootstrapSeed, Form, Format, Resamples
from config.errors import InputError

_DEFAULT = "rank"


class _RankByDefault(TyperGroup):
    """A group whose command `rank` need not be named: `assay leaderboard results/runs`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else [_DEFAULT, *args])


app = typer.Typer(
    cls=_RankByDefault,
    help="Rank the runs of a results folder (rank, the default), or check a submission (verify).",
)


@app.command()
def rank(
    results: Annotated[
        list[Path] | None, typer.Argument(help="Folders of runs, or score tables; default: results/runs.")
    ] = None,
    metric: Annotated[str, typer.Option(help="frame_ or video_ and auc, eer, ap, acc, ece or brier.")] = "frame_auc",
    test: Annotated[list[str] | None, typer.Option(help="Only this test set; repeatable.")] = None,
    trained_on: Annotated[
        list[str] | None,
        typer.Option(help="RUN=SET,SET: what a run without a record of training was trained on; repeatable."),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="95 % intervals from a bootstrap over videos.")
    ] = False,
    submission: Annotated[
        Path | None, typer.Option(help="Write this JSON, from which others can check every figure.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table to this file, .csv, .md, .tex or .html.")] = None,
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    form: Form = Format.md,
) -> None:
    """Runs by their mean over the test sets that are foreign to their training, with coverage and contamination."""
    from benchmark.leaderboard.entries import collect_leaderboard
    from benchmark.leaderboard.measure import Method
    from benchmark.leaderboard.table import leaderboard_table
    from evaluation.render import FORMATS, save_table

    method = Method(metric, resamples if intervals or submission else 0, seed)
    found = collect_leaderboard(
        results or [Path("results/runs")], method, test_sets=test or (), trained_on=_declared(trained_on or [])
    )
    table = leaderboard_table(found, intervals=intervals)
    if submission:
        found.write(submission)
    if out:
        save_table(table, out)
    else:
        typer.echo(FORMATS[form.value](table), nl=False)


@app.command()
def verify(
    submission: Annotated[Path, typer.Argument(help="The JSON that 'assay leaderboard --submission' wrote.")],
    scores: Annotated[Path, typer.Option(help="Folder that the paths of its score tables start from.")],
) -> None:
    """Compute a submission anew from its score tables alone; exit code 1 if something in it does not follow."""
    from benchmark.leaderboard.verify import problems

    if found := problems(submission, scores):
        typer.echo("\n".join(found), err=True)
        raise typer.Exit(1)
    typer.echo(f"{submission}: all figures, coverage, contamination and ranks follow from the score tables in {scores}")


def _declared(assignments: list[str]) -> dict[str, list[str]]:
    declared = {}
    for text in assignments:
        run, _, sets = text.rpartition("=")
        declared[run] = [name.strip() for name in sets.split(",") if name.strip()]
        if not run or not declared[run]:
            raise InputError(f"--trained-on {text}: expected RUN=SET or RUN=SET,SET")
    return declared
