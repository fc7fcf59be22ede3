"""Commands of `assay explain` that make pseudo-fakes and show what becomes of them."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Assignments, Data, Device, Landmarks, Picture, Profile, make_console


def pseudofakes(
    compositions: Annotated[
        list[str] | None,
        typer.Argument(help="Pseudo-fakes (assay list pseudofakes: sbi, adfd_table7/alpha, ...) or YAML files."),
    ] = None,
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    train: Annotated[str | None, typer.Option(help="Instead, faces of this preprocessed data set.")] = None,
    data: Data = Path("data"),
    profile: Profile = "dfb",
    out: Picture = Path("pseudofakes.png"),
    rows: Annotated[int, typer.Option(min=1, help="Faces of each composition.")] = 3,
    grid: Annotated[
        bool, typer.Option("--grid", help="Of one: its fakes alone, a row for each mask, a column for each source.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    overrides: Assignments = None,
    landmarks: Landmarks = None,
    device: Device = "cpu",
) -> None:
    """What a composition makes of faces: mask, source, target, fake, and what the fake differs in. Default: sbi."""
    from benchmark.explain.pseudofakes import explain_pseudofakes

    explain_pseudofakes(
        compositions or ["sbi"],
        out,
        faces=faces,
        data=data,
        train=train,
        profile=profile,
        landmarks=landmarks,
        rows=rows,
        grid=grid,
        seed=seed,
        overrides=overrides or (),
        device=device,
        console=make_console(),
    )


def masks(
    compositions: Annotated[
        list[str], typer.Argument(help="Pseudo-fakes (assay list pseudofakes: adfd_table12/mask1, ...) or YAML files.")
    ],
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    train: Annotated[str | None, typer.Option(help="Instead, faces of this preprocessed data set.")] = None,
    data: Data = Path("data"),
    profile: Profile = "dfb",
    out: Picture = Path("masks.png"),
    rows: Annotated[int, typer.Option(min=1, help="Faces of each composition.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    overrides: Assignments = None,
    landmarks: Landmarks = None,
    device: Device = "cpu",
) -> None:
    """Masks of compositions, with the same draws, before and after the blur of their boundary; numbers also as CSV."""
    from benchmark.explain.masks import make_masks
    from benchmark.explain.material import open_material
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    material = open_material(
        compositions,
        faces=faces,
        data=data,
        train=train,
        profile=profile,
        landmarks=landmarks,
        rows=rows,
        overrides=overrides or (),
        device=device,
    )
    sheet = make_masks(material, rows, seed)
    show(sheet.figure(), out, [sheet.table()], make_console(), numbers=out.with_suffix(".csv"))


def affs(
    weights: Annotated[list[Path], typer.Argument(help="Run folders, or weights (.safetensors, .pth), of FIA-USA.")],
    pseudofake: Annotated[str, typer.Option(help="Composition of the fakes (assay list pseudofakes).")] = "fia_usa",
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    train: Annotated[str | None, typer.Option(help="Instead, faces of this preprocessed data set.")] = None,
    data: Data = Path("data"),
    profile: Profile = "dfb",
    out: Picture = Path("affs.png"),
    rows: Annotated[int, typer.Option(min=1, help="Pairs of a real face and a fake.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the fakes.")] = 0,
    stage: Annotated[int, typer.Option(min=2, max=5, help="Of the backbone: 2 at stride 4, 5 at stride 32.")] = 2,
    best: Annotated[int, typer.Option(min=1, help="Channels with the smallest errors.")] = 14,
    worst: Annotated[int, typer.Option(min=0, help="Channels with the largest.")] = 4,
    overrides: Assignments = None,
    landmarks: Landmarks = None,
    device: Device = "auto",
) -> None:
    """FIA-USA's channels by how much their change looks like the mask, and which are kept; numbers also as CSV."""
    from benchmark.explain.affs import rank_channels
    from benchmark.explain.material import open_material
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    material = open_material(
        [pseudofake],
        faces=faces,
        data=data,
        train=train,
        profile=profile,
        landmarks=landmarks,
        rows=rows,
        overrides=(),
        device=device,
    )
    sheet = rank_channels(
        weights,
        material,
        rows=rows,
        seed=seed,
        stage=stage,
        best=best,
        worst=worst,
        overrides=overrides or (),
        device=device,
    )
    show(sheet.figure(), out, [sheet.table()], make_console(), numbers=out.with_suffix(".csv"))


def regions(
    detector: Annotated[str, typer.Argument(help="FIA-USA, a variant, or a YAML file such as a run's.")] = "fia_usa",
    pseudofake: Annotated[str, typer.Option(help="Composition of the fakes (assay list pseudofakes).")] = "fia_usa",
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    train: Annotated[str | None, typer.Option(help="Instead, faces of this preprocessed data set.")] = None,
    data: Data = Path("data"),
    profile: Profile = "dfb",
    out: Picture = Path("regions.png"),
    rows: Annotated[int, typer.Option(min=1, help="Faces.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the fakes.")] = 0,
    overrides: Assignments = None,
    landmarks: Landmarks = None,
    device: Device = "cpu",
) -> None:
    """Which cells of a map FIA-USA compares as inside and outside of masks, which it discards; numbers also as CSV."""
    from benchmark.explain.material import open_material
    from benchmark.explain.regions import mask_regions
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    material = open_material(
        [pseudofake],
        faces=faces,
        data=data,
        train=train,
        profile=profile,
        landmarks=landmarks,
        rows=rows,
        overrides=(),
        device=device,
    )
    sheet = mask_regions(detector, material, rows=rows, seed=seed, overrides=overrides or ())
    show(sheet.figure(), out, [sheet.table()], make_console(), numbers=out.with_suffix(".csv"))
