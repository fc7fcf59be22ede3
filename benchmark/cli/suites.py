"""Commands that make papers' tables."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Data, Device, Landmarks, Loaders, Plugin, load_plugins, make_console
from benchmark.suites.overwrite import Overwrite
from config.errors import InputError


def reproduce(
    suites: Annotated[
        list[str] | None, typer.Argument(help="Suites (assay list suites), patterns such as 'prodet_*', or YAML files.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All suites that ship.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show cells, what they wait for and cost.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="On the demo's data, with the demo's small network.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only rows that fit, such as 'sbi*'; repeatable.")] = None,
    overwrite: Annotated[Overwrite, typer.Option(help="What becomes of cells that are there.")] = Overwrite.MISSING,
    data: Data = Path("data"),
    out: Annotated[Path | None, typer.Option(help="Folder of results; default: results, or demo with --demo.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="With --demo: of the clips and of training.")] = 0,
    landmarks: Landmarks = None,
    device: Device = "auto",
    workers: Loaders = None,
    plugin: Plugin = None,
) -> None:
    """Make tables of papers and their figures: what is missing of runs and scores, then all files of them."""
    from benchmark.suites.batch import PATTERN
    from benchmark.suites.batch import reproduce as make
    from benchmark.suites.reproduce import Place
    from benchmark.suites.run import Machine

    if bool(suites) == every:
        raise InputError("name the suites to reproduce (assay list suites), or give --all for all of them")
    load_plugins(plugin)
    folder = out or Path("demo" if demo else "results")
    place = Place(data, folder, Machine(device, workers), make_console(), demo, landmarks, seed)
    if not make(suites or [PATTERN], place, only=only or (), overwrite=overwrite, only_plan=plan):
        raise typer.Exit(1)
