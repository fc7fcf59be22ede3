"""Commands that turn a data set into crops."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Data, Landmarks, Plugin, Workers, load_plugins, make_console

app = typer.Typer(no_args_is_help=True, help="What a data set should hold, what it does hold, and its way out and in.")


def preprocess(
    dataset: Annotated[
        str, typer.Argument(help="A data set (assay list datasets), a YAML file, or a CSV of path,label,split,method.")
    ],
    root: Annotated[Path, typer.Option(help="Folder that holds its videos or images.")],
    data: Data = Path("data"),
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of each video; default 32.")] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Every n-th frame instead.")] = None,
    compression: Annotated[str | None, typer.Option(help="Only this level: raw, c23 or c40.")] = None,
    mode: Annotated[str | None, typer.Option(help="fast, or exact: DeepfakeBench's own search.")] = None,
    landmarks: Landmarks = None,
    workers: Workers = None,
    engine: Annotated[str, typer.Option(help="local: processes of this machine; ray: a Ray cluster.")] = "local",
    shard: Annotated[str | None, typer.Option(help="i/n: the i-th of n shares; then 'assay merge'.")] = None,
    plugin: Plugin = None,
) -> None:
    """Videos or images to aligned face crops with landmarks, in LMDB with a manifest."""
    from benchmark.preprocess import preprocess_dataset

    load_plugins(plugin)
    preprocess_dataset(
        dataset,
        root,
        data,
        profile=profile,
        frames=frames,
        stride=stride,
        compression=compression,
        mode=mode,
        landmarks=landmarks,
        workers=workers,
        engine=engine,
        shard=shard,
        console=make_console(),
    )


def merge(
    dataset: Annotated[str, typer.Argument(help="A data set that was preprocessed with --shard.")],
    data: Data = Path("data"),
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
) -> None:
    """Join the shards of a preprocessed data set into one manifest."""
    from benchmark.preprocess import merge_dataset

    merge_dataset(dataset, data, profile=profile, console=make_console())


@app.command()
def card(dataset: Annotated[str, typer.Argument(help="A data set (assay list datasets) or a YAML file.")]) -> None:
    """Show what a data set is: paper, access, licence, what a whole copy holds, known defects."""
    from benchmark.card import card_of

    make_console().print(card_of(dataset), highlight=False, markup=False)
