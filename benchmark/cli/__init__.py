"""The command line `assay`. Commands are thin; what they do is imported when they run, so that --help costs nothing."""

import logging
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from benchmark.cli import data, explain, leaderboard, runs, suites, tables, whole
from config.errors import InputError
from config.memory import keep_freed_memory

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(whole.list_command)
for command in (
    data.preprocess,
    data.merge,
    data.reconstruct,
    data.perturb,
    runs.train,
    runs.evaluate,
    runs.infer,
    suites.reproduce,
    tables.table,
    tables.compare,
    tables.published,
    tables.report,
    whole.perf,
    whole.demo,
):
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(explain.app, name="explain")
app.add_typer(leaderboard.app, name="leaderboard")


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # Broken videos are counted and listed; ffmpeg need not complain as well.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # Each of torchrun's processes would say what DDP might do faster.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    keep_freed_memory()
    try:
        app()
    except InputError as error:
        typer.echo(f"assay: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("assay: interrupted; the same command goes on from here", err=True)
        sys.exit(130)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"assay {version('assay-deepfake')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """A benchmark harness for face-deepfake detectors."""
