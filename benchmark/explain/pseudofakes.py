"""`assay explain pseudofakes`: sheets that show what a composition makes of faces."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmark.explain.faces import ShownFaces
from benchmark.explain.grid import fake_grid
from benchmark.explain.material import Maker, Material, open_material, short_name
from config.errors import InputError
from evaluation.plots.sheets import StepRows, step_sheet
from evaluation.plots.style import check_form, save_figure
from preprocessing.samples import BrokenSampleError

AMPLIFIED = 4
STEPS = ("real", "mask", "source", "target", "fake", f"|fake - target| x {AMPLIFIED}")
LABEL_WIDTH = 19  # letters of a line


def explain_pseudofakes(
    compositions: Sequence[str],
    out: Path,
    *,
    faces: Path | None = None,
    data: Path,
    train: str | None = None,
    profile: str = "dfb",
    landmarks: Path | None = None,
    rows: int = 3,
    grid: bool = False,
    seed: int = 0,
    overrides: Sequence[str] = (),
    device: str = "cpu",
    console: Console,
) -> None:
    """Draw compositions below each other on one sheet, of the same faces with the same seeds.

    Args:
        compositions: names or YAML files of pseudo-fakes.
        out: the picture.
        faces: folder of photographs; None for the embedded stills, unless `train` is given.
        data: folder of stores and manifests.
        train: data set whose stored faces are shown.
        profile: name of the preprocessing profile.
        landmarks: predictor for photographs; None for the default.
        rows: how many faces are shown; partners come out of all faces at hand.
        grid: show the fakes alone, by mask and source (`benchmark.explain.grid`).
        seed: of all draws.
        overrides: assignments to each composition.
        device: where substitutes make reconstructions that are not stored.
        console: where it is said what was drawn.

    Raises:
        InputError: an option names nothing or does not go with another, or a face can have no such fake.
    """
    check_form(out)
    if grid and len(compositions) > 1:
        raise InputError(f"--grid: expected one composition, not {len(compositions)}; their columns differ")
    material = open_material(
        compositions,
        faces=faces,
        data=data,
        train=train,
        profile=profile,
        landmarks=landmarks,
        rows=rows,
        overrides=overrides,
        device=device,
    )
    try:
        steps, groups = (fake_grid if grid else _steps)(material, rows, seed)
    except BrokenSampleError as error:
        raise InputError(str(error)) from None
    caption = material.caption()
    save_figure(step_sheet(groups, steps, caption), out)
    console.print(f"{out}: {', '.join(material.settings)}\n{caption}", highlight=False)


def _steps(material: Material, rows: int, seed: int) -> tuple[Sequence[str], list[StepRows]]:
    """The steps, and a group of rows for each composition."""
    return STEPS, [_group(maker, material.faces, rows, seed) for maker in material.makers()]


def _group(maker: Maker, faces: ShownFaces, rows: int, seed: int) -> StepRows:
    """The rows of one composition."""
    images, labels = [], []
    for index, origin in enumerate(faces.rows["video_id"].tolist()[:rows]):
        made, came_in = maker.make(index, np.random.default_rng([seed, index]))
        difference = np.abs(made.fake.astype(np.int16) - made.real) * AMPLIFIED
        shown = (faces.read(index).image, made.mask, made.source, made.real, made.fake)
        images.append((*shown, difference.clip(0, 255).astype(np.uint8)))
        said = (short_name(origin), *made.region.split("; "), f"ratio {made.ratio:g}", came_in)
        labels.append("\n".join(textwrap.fill(line, LABEL_WIDTH) for line in said if line))
    return StepRows(f"{maker.name}   {maker.settings.title}", images, labels)
