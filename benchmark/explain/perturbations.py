"""`assay explain perturbations`: a sheet that shows what a suite makes of faces, level by level."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
from rich.console import Console

from benchmark.demo.build import STILLS
from benchmark.explain.faces import FoundFace, found_faces, seen_face
from config.load import load_config
from config.schema import Profile
from evaluation.plots.sheets import StepRows, step_sheet
from evaluation.plots.style import check_form, save_figure
from preprocessing.clips import Image
from preprocessing.landmarks import predictor_of
from preprocessing.perturbations import ClipPerturbation, Perturbation
from preprocessing.samples import Sample
from preprocessing.views import UNPERTURBED, Suite, Variant, load_suite

MOST_DRAWS = 5  # shown of a perturbation that has one level
LABEL_WIDTH = 19  # letters of a line


def explain_perturbations(
    suite: str,
    out: Path,
    *,
    faces: Path | None = None,
    profile: str = "dfb",
    landmarks: Path | None = None,
    rows: int = 1,
    console: Console,
) -> None:
    """Draw all perturbations of a suite below each other, of the same faces, the clean crop before its levels.

    Args:
        suite: name or YAML file.
        out: the picture.
        faces: folder of photographs; None for the embedded stills.
        profile: name of the preprocessing profile.
        landmarks: predictor for photographs; None for the default.
        rows: how many faces are shown of each perturbation.
        console: where it is said what was drawn.

    Raises:
        InputError: an option names nothing, or there is no face in the photographs.
    """
    check_form(out)
    chosen, cut = load_suite(suite), load_config(Profile, profile)
    shown = found_faces(faces or STILLS, cut, predictor_of(cut, landmarks), rows)
    by_level = any(len(levels) > 1 for levels in chosen.levels.values())
    columns = max(map(len, chosen.levels.values())) if by_level else min(chosen.config.draws, MOST_DRAWS)
    images, labels = [], []
    for name, levels in chosen.levels.items():
        for face in shown:
            wanted = [Variant(name, n + 1, 0) if by_level else Variant(name, 1, n) for n in range(columns)]
            images.append([_view(chosen, face, one) for one in (UNPERTURBED, *wanted)])
            labels.append(_label(name, levels) if face is shown[0] else "")
    steps = ["clean", *(f"{'level' if by_level else 'draw'} {number + 1}" for number in range(columns))]
    caption = _caption(chosen, "embedded stills, which a GAN made of nobody" if faces is None else faces.resolve().name)
    save_figure(step_sheet([StepRows(f"{chosen.name}   {chosen.config.title}", images, labels)], steps, caption), out)
    console.print(f"{out}: {chosen.name}\n{caption}", highlight=False)


def _view(suite: Suite, found: FoundFace, variant: Variant) -> Image | None:
    """A face as a variant shows it, (H, W, 3) uint8 RGB; None if the suite has no such variant."""
    if variant not in suite.variants:
        return None
    if suite.config.on == "crop":
        return suite.perturb(seen_face(found.sample), found.name, variant)
    picture = suite.perturb(cv2.cvtColor(found.picture, cv2.COLOR_BGR2RGB), found.name, variant)
    return seen_face(Sample(found.face.cut_out(picture), box=found.face.box_in_crop))


def _label(name: str, levels: Sequence[Perturbation]) -> str:
    """A perturbation's name and the values of its parameters, level by level where they differ."""
    lines = [name]
    for parameter in type(levels[0]).model_fields:
        values = list(dict.fromkeys(_said(getattr(level, parameter)) for level in levels))
        lines += textwrap.wrap(f"{parameter} {', '.join(values)}", LABEL_WIDTH)
    return "\n".join(lines)


def _said(value: object) -> str:
    """A parameter's value in words; a range as its two ends."""
    if isinstance(value, tuple):
        return " to ".join(dict.fromkeys(map(_said, value)))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _caption(suite: Suite, whose: str) -> str:
    on = {"crop": "crops are perturbed", "frame": "whole pictures are perturbed, and the crops cut out of them"}
    lines = [f"Faces: {whose}", on[suite.config.on]]
    if any(isinstance(level, ClipPerturbation) for levels in suite.levels.values() for level in levels):
        lines.append("each picture is a clip of one frame")
    return "; ".join(lines)
