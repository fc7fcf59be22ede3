"""Commands that turn a data set into crops."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Data, DetectorFile, Device, Landmarks, Plugin, Workers, load_plugins, make_console

Profiled = Annotated[str, typer.Option("--profile", help="Preprocessing profile of the crops.")]


class Slashes(StrEnum):
    """How `assay data export` spells paths."""

    windows = "windows"
    posix = "posix"


class Kind(StrEnum):
    """What `assay reconstruct` makes."""

    autoencoder = "autoencoder"
    super_resolution = "super_resolution"


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
    encoding: Annotated[str | None, typer.Option(help="png, jpeg (small) or bmp (fastest to read).")] = None,
    landmarks: Landmarks = None,
    detector_file: DetectorFile = None,
    workers: Workers = None,
    engine: Annotated[str, typer.Option(help="local: processes of this machine; ray: a Ray cluster.")] = "local",
    shard: Annotated[str | None, typer.Option(help="i/n: the i-th of n shares; then 'assay merge'.")] = None,
    plugin: Plugin = None,
) -> None:
    """Videos or images to face crops with landmarks, in LMDB with a manifest."""
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
        encoding=encoding,
        landmarks=landmarks,
        detector_file=detector_file,
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


def reconstruct(
    dataset: Annotated[str, typer.Argument(help="A preprocessed data set, or a part of one.")],
    data: Data = Path("data"),
    profile: Profiled = "dfb",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "train",
    autoencoder: Annotated[
        Path | None, typer.Option(help="KL-f8 or a TAESD (.safetensors, .pth); default: ours, a substitute.")
    ] = None,
    super_resolver: Annotated[
        Path | None, typer.Option(help="GFPGAN or another (.pth, .safetensors, .onnx); default: ours, a substitute.")
    ] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="Only this kind; default: both.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of each video; default: all.")] = None,
    compression: Annotated[str | None, typer.Option(help="Only this level: raw, c23 or c40.")] = None,
    every_label: Annotated[bool, typer.Option("--every-label", help="Fakes as well as reals.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="First delete what is there, of all splits.")] = False,
    device: Device = "auto",
) -> None:
    """Make reconstructions of the stored real faces, which FIA-USA's fakes are blended from."""
    from benchmark.reconstruct import reconstruct_dataset

    reconstruct_dataset(
        dataset,
        data,
        profile=profile,
        split=split,
        autoencoder=autoencoder,
        super_resolver=super_resolver,
        kinds=[one.value for one in dict.fromkeys(kind or ())],
        frames=frames,
        compression=compression,
        every_label=every_label,
        overwrite=overwrite,
        device=device,
        console=make_console(),
    )


def perturb(
    dataset: Annotated[str, typer.Argument(help="A preprocessed data set or a part of one, a YAML file, or a CSV.")],
    root: Annotated[Path, typer.Option(help="Folder that holds its videos or images.")],
    suite: Annotated[
        str, typer.Option("--perturb", help="A suite on frames (assay list perturbations) or a YAML file.")
    ],
    data: Data = Path("data"),
    profile: Profiled = "dfb",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    compression: Annotated[str | None, typer.Option(help="Only this level: raw, c23 or c40.")] = None,
    landmarks: Landmarks = None,
    detector_file: DetectorFile = None,
    workers: Workers = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="First delete what is there, of all splits.")] = False,
    plugin: Plugin = None,
) -> None:
    """Perturb whole frames, or recompress clips, and store the faces' crops out of them beside the clean ones."""
    from benchmark.perturb import perturb_dataset

    load_plugins(plugin)
    perturb_dataset(
        dataset,
        root,
        data,
        suite,
        profile=profile,
        split=split,
        compression=compression,
        landmarks=landmarks,
        detector_file=detector_file,
        workers=workers,
        overwrite=overwrite,
        console=make_console(),
    )


@app.command()
def card(dataset: Annotated[str, typer.Argument(help="A data set (assay list datasets) or a YAML file.")]) -> None:
    """Show what a data set is: paper, access, licence, what a whole copy holds, known defects."""
    from benchmark.card import card_of

    make_console().print(card_of(dataset), highlight=False, markup=False)


@app.command()
def export(
    datasets: Annotated[list[str], typer.Argument(help="Preprocessed data sets; those of FaceForensics++ together.")],
    out: Annotated[Path, typer.Option(help="Folder for NAME.json and NAME_lmdb.")],
    data: Data = Path("data"),
    profile: Profiled = "dfb",
    dfb: Annotated[bool, typer.Option("--dfb", help="Also the LMDB that DeepfakeBench's loader reads.")] = False,
    compression: Annotated[str | None, typer.Option(help="Only this level: raw, c23 or c40.")] = None,
    slashes: Annotated[
        Slashes, typer.Option(help="windows: backslashes, as DeepfakeBench's own files have on any system.")
    ] = Slashes.windows,
    prefix: Annotated[str, typer.Option(help="Put before every path of the JSON; not with --dfb.")] = "",
) -> None:
    """Write DeepfakeBench's JSON, and its LMDB with --dfb, of preprocessed data sets."""
    from benchmark.passage import export_datasets

    export_datasets(
        datasets,
        data,
        out,
        profile=profile,
        with_lmdb=dfb,
        compression=compression,
        separator="\\" if slashes is Slashes.windows else "/",
        prefix=prefix,
        console=make_console(),
    )


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="DeepfakeBench's or DF40's JSON of a data set.")],
    lmdb: Annotated[Path | None, typer.Option(help="LMDB folder that holds its frames.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder that holds its frames as image files, instead.")] = None,
    data: Data = Path("data"),
    profile: Profiled = "dfb",
    label: Annotated[list[str] | None, typer.Option(help="NAME=0 (real) or NAME=1 (fake); repeatable.")] = None,
) -> None:
    """Make a DeepfakeBench data set, by its JSON and its LMDB or frames, one that can be trained and tested on."""
    from benchmark.passage import import_dataset

    import_dataset(file, data, lmdb=lmdb, root=root, profile=profile, labels=label or (), console=make_console())


@app.command()
def check(
    dataset: Annotated[
        str, typer.Argument(help="A data set or a part of one (assay list datasets), a YAML file, or a CSV of media.")
    ],
    root: Annotated[Path, typer.Option(help="Folder that holds its videos or images.")],
    compression: Annotated[str | None, typer.Option(help="Only this level: raw, c23 or c40.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split: train, val or test.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Open no file: counts, splits and empty files alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All findings as JSON on stdout.")] = False,
    workers: Workers = None,
    plugin: Plugin = None,
) -> None:
    """Compare what is on disk with what should be; exit code 1 if figures on it would not be those of the data set."""
    from benchmark.check import check_dataset, show, to_json

    load_plugins(plugin)
    console = make_console(stderr=as_json)
    found = check_dataset(
        dataset, root, compression=compression, split=split, quick=quick, workers=workers, console=console
    )
    if as_json:
        typer.echo(to_json(found))
    else:
        show(found, console)
    if not found.valid:
        raise typer.Exit(1)
