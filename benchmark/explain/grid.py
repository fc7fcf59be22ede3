"""`assay explain pseudofakes --grid`: a face under each mask of a composition, with each of its sources (FIA-USA)."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.explain.material import Maker, Material, short_name
from config.pseudofake import PseudoFakeConfig, Reconstruction
from evaluation.plots.sheets import StepRows

OWN, PARTNER = "the face itself", "a partner"
LABEL_WIDTH = 19  # letters of a line


def by_mask(settings: PseudoFakeConfig) -> dict[str, PseudoFakeConfig]:
    """The composition with each of the masks that it draws from, by name: FIA-USA's, or the landmark library's.

    One that draws others has a single entry, by the kind of its masks.
    """
    kind = settings.mask.kind
    key = {"mtms": "mtms", "lal": "lal", "bbmg": "lal"}.get(kind)
    names = getattr(settings.mask, key) if key else (kind,)
    changes = [{key: (name,)} if key else {} for name in names]
    masks = [settings.mask.model_copy(update=change) for change in changes]
    return {name: settings.model_copy(update={"mask": mask}) for name, mask in zip(names, masks, strict=True)}


def by_source(settings: PseudoFakeConfig) -> dict[str, PseudoFakeConfig]:
    """The composition with each of its sources, by name: the reconstructions, and the face itself or a partner's."""
    if settings.source == "partner":
        return {PARTNER: settings}
    always = {kind: Reconstruction(**{kind: 1.0}) for kind in settings.reconstruction.kinds}
    if sum(settings.reconstruction.model_dump().values()) < 1:
        always[OWN] = Reconstruction()
    return {name: settings.model_copy(update={"reconstruction": one}) for name, one in always.items()}


def fake_grid(material: Material, rows: int, seed: int) -> tuple[Sequence[str], list[StepRows]]:
    """The columns and groups of a sheet: for each face what comes in as it is, and its fakes, a row for each mask.

    All fakes of a face have the same draws in each step, so that a row differs by its source alone, and a column by its
    mask.

    Args:
        material: a composition, and the faces.
        rows: how many faces.
        seed: of all draws.

    Raises:
        InputError: no such fake can be made of a face.
        BrokenSampleError: a face cannot be read.
    """
    ((name, settings),) = material.settings.items()
    columns = ["mask", *by_source(settings)]
    count = min(rows, len(material.faces.rows))
    return columns, [_group(name, settings, material, index, seed) for index in range(count)]


def _group(name: str, settings: PseudoFakeConfig, material: Material, index: int, seed: int) -> StepRows:
    """The rows of one face."""
    images = [[None, *_sources(settings, material, index)]]
    labels = ["what comes in"]
    for mask, masked in by_mask(settings).items():
        makers = [Maker(name, one, material.faces, material.reconstructions) for one in by_source(masked).values()]
        fakes = [maker.make(index, np.random.default_rng([seed, index]), apart=True)[0] for maker in makers]
        images.append([fakes[0].mask, *(made.fake for made in fakes)])
        labels.append(textwrap.fill(mask.replace("_", " "), LABEL_WIDTH))
    video = material.faces.rows["video_id"].iloc[index]
    return StepRows(f"{short_name(video)}   {name}", images, labels)


def _sources(settings: PseudoFakeConfig, material: Material, index: int) -> Iterator[npt.NDArray[Any] | None]:
    """What comes in before it is changed; a partner is another one in each draw."""
    for source in by_source(settings):
        if source == OWN:
            yield material.faces.read(index).image
        else:
            yield None if source == PARTNER else material.reconstructions.of(index, source)
