"""From a real face to a pseudo-fake: the steps in the order of ADFD's review, as a configuration composes them.

A mask is drawn from the face's landmarks. The source is the face itself, what was reconstructed of it, or a partner's
face; source or target is changed, and source and mask are moved. The mask's boundary is made soft, and the source is
blended into the target. Drawing is from one generator, or from those that it spawns for each step, so the same seed
gives the same pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from config.errors import InputError
from config.pseudofake import BoundarySettings, Displacement, Draw, MaskSettings, PseudoFakeConfig, Reconstruction
from preprocessing.clips import Image
from preprocessing.margins import INNER_POINTS, Window, landmark_box
from training.errors import PseudoFakeError
from training.pseudofakes.blend import blend, draw_ratio, transfer_colour
from training.pseudofakes.blur import (
    HardMask,
    SoftMask,
    blur_boundary,
    blur_outside,
    draw_blur,
    redraw_kernels,
    soften_boundary,
)
from training.pseudofakes.masks import (
    Feature,
    bbmg_parts,
    hull_mask,
    join_parts,
    lal_mask,
    local_mask,
    mtms_mask,
    random_features,
    random_lal_kind,
    random_mtms_kind,
)
from training.pseudofakes.transforms import DOWNSCALE_FACTORS, change_one_or_both, lose_resolution
from training.pseudofakes.warp import Warp, draw_warp, elastic_field, result_of, source_of, warp_mask, warp_part

Landmarks = npt.NDArray[Any]
Reconstruct = Callable[[str], Image]
MICRO_DILATION = 0.05  # of the face's width, on each side; FIA-USA gives no figure
ATTEMPTS = 10
REACH = 8  # pixels: more than the elastic part moves anything, and than a change of the source looks around itself
A = TypeVar("A", bound=npt.NDArray[Any])


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a pseudo-fake has of a deepfake: the labels A' of ProDet (section 3.2).

    Attributes:
        blending: two images meet at a boundary.
        identity: the face inside is another person's.
        generative: the face inside comes from a network.
    """

    blending: bool = True
    identity: bool = False
    generative: bool = False

    def as_array(self) -> npt.NDArray[np.float32]:
        """(3,) of 0 and 1, in the order above."""
        return np.array([self.blending, self.identity, self.generative], np.float32)


@dataclass(frozen=True, slots=True)
class PseudoFake:
    """A fake and the real face that it is paired with.

    Attributes:
        fake: (H, W, 3) uint8 RGB.
        real: likewise: the target, perhaps changed. Where the mask is 0 both are equal.
        source: likewise: what came in, black outside of the mask's bounding box.
        hard: (H, W) of 0 and 1, the mask in its place before its boundary was blurred.
        mask: (H, W) float32 in [0, 1], with its soft boundary, before it was scaled by the ratio.
        region: what was drawn as the mask: "facehull", "left_eye, mouth"; for BBMG the face and its features.
        ratio: largest share of the source in a pixel.
        attributes: its labels beyond being fake.
    """

    fake: Image
    real: Image
    source: Image
    hard: HardMask
    mask: SoftMask
    region: str
    ratio: float
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class _Draws:
    """Which generator each step draws from."""

    region: np.random.Generator
    source: np.random.Generator
    displacement: np.random.Generator
    boundary: np.random.Generator
    changes: np.random.Generator
    ratio: np.random.Generator


@dataclass(frozen=True, slots=True)
class _Region:
    """A mask before it is moved and blurred: its parts, two for BBMG; its name; and whether it is a micro mask."""

    parts: tuple[HardMask, ...]
    name: str
    is_micro: bool = False


def make_pseudo_fake(
    image: Image,
    landmarks: Landmarks,
    settings: PseudoFakeConfig,
    rng: np.random.Generator,
    *,
    partner: Image | None = None,
    reconstruct: Reconstruct | None = None,
    apart: bool = False,
) -> PseudoFake:
    """A pseudo-fake of a face.

    A mask that comes out empty, because its part of the face lies outside of the image, is drawn again.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (81, 2) or (68, 2), x and y in pixels; they may lie outside of the image.
        settings: the composition.
        rng: source of all draws.
        partner: the other person's face, for compositions that have one; brought to the size of `image`.
        reconstruct: gives the face's reconstruction of a kind, for compositions that have any.
        apart: each step draws from a generator of its own, spawned by `rng`: compositions that differ in one step
            draw alike in the others, however much that one draws.

    Raises:
        PseudoFakeError: the landmarks do not outline a face in the image.
        InputError: the partner or the reconstruction that the composition needs is not given.
    """
    steps = len(fields(_Draws))
    draws = _Draws(*(rng.spawn(steps) if apart else [rng] * steps))
    for _ in range(ATTEMPTS - 1):
        try:
            return _attempt(image, landmarks, settings, draws, partner, reconstruct)
        except PseudoFakeError:
            continue
    return _attempt(image, landmarks, settings, draws, partner, reconstruct)


def _attempt(
    image: Image,
    landmarks: Landmarks,
    settings: PseudoFakeConfig,
    draws: _Draws,
    partner: Image | None,
    reconstruct: Reconstruct | None,
) -> PseudoFake:
    shape = image.shape[:2]
    region = _draw_region(landmarks, shape, settings.mask, draws.region)
    source, attributes = _source(image, settings, draws.source, partner, reconstruct)
    if settings.face_sizes:
        source = lose_resolution(source, landmark_box(landmarks).width, draws.source.uniform(*settings.face_sizes))
    warp = draw_warp(settings.displacement, draws.displacement)
    displaced = _displaced(region.parts, warp, settings.displacement, draws.displacement)
    parts = _apart(displaced, settings.mask)
    hard, mask = join_parts(parts), _soften(parts, settings.boundary, region.is_micro, draws.boundary)
    if settings.mask.inverted:
        hard, mask = 1 - hard, 1 - mask
    inside = _window(mask)
    needed = _on_grid(source_of(inside, warp, shape, REACH), shape)
    changed, target = change_one_or_both(source[needed], image, settings.changes, draws.changes)
    moved = warp_part(changed, needed, warp, shape, inside)
    if settings.colour_transfer:
        moved = transfer_colour(moved, target[inside], displaced[0][inside])
    ratio = draw_ratio(settings.ratios, draws.ratio)
    fake = _laid_on(target, inside, blend(moved, target[inside], mask[inside], ratio))
    shown = _laid_on(np.zeros_like(image), inside, moved)
    return PseudoFake(fake, target, shown, hard, mask, region.name, ratio, attributes)


def _draw_region(
    landmarks: Landmarks, shape: tuple[int, int], settings: MaskSettings, rng: np.random.Generator
) -> _Region:
    """The hard mask, for BBMG that of the face and that of the features."""
    if rng.random() < settings.inner_prob:
        landmarks = landmarks[:INNER_POINTS]
    draw = settings.draw or Draw()
    kind = settings.kind
    if kind == "lal_or_local":
        kind = "lal" if rng.random() < 0.5 else "local"
    if kind == "mtms":
        region = random_mtms_kind(rng, settings.mtms)
        mask = mtms_mask(region, landmarks, shape, draw)
        is_micro = region not in ("hull", "rectangle")
        return _Region((_dilated(mask, landmarks) if is_micro else mask,), region, is_micro)
    if kind == "hull":
        return _Region((hull_mask(landmarks, shape, draw),), kind)
    if kind == "local":
        features = random_features(rng)
        return _Region((local_mask(features, landmarks, shape, draw),), ", ".join(features))
    lal = random_lal_kind(rng, settings.lal)
    face = lal_mask(lal, landmarks, shape, settings.draw)
    if kind == "lal":
        return _Region((face,), lal)
    features = random_features(rng)
    return _Region((face, _inner(features, landmarks, shape, draw)), f"{lal}; {', '.join(features)}")


def _inner(features: Sequence[Feature], landmarks: Landmarks, shape: tuple[int, int], draw: Draw) -> HardMask:
    """BBMG's features; nothing where those that were drawn lie outside of the image, which leaves the whole face."""
    try:
        return local_mask(features, landmarks, shape, draw)
    except PseudoFakeError:
        return np.zeros(shape, draw.dtype)


def _dilated(mask: HardMask, landmarks: Landmarks) -> HardMask:
    radius = max(1, round(MICRO_DILATION * landmark_box(landmarks).width))
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))


def _source(
    image: Image,
    settings: PseudoFakeConfig,
    rng: np.random.Generator,
    partner: Image | None,
    reconstruct: Reconstruct | None,
) -> tuple[Image, Attributes]:
    """What comes in, of the image's size, before it is changed."""
    if settings.source == "partner":
        if partner is None:
            raise InputError("this pseudo-fake needs a partner's face")
        size = image.shape[1::-1]
        fits = partner.shape == image.shape
        return partner if fits else cv2.resize(partner, size, interpolation=cv2.INTER_LINEAR), Attributes(identity=True)
    kind = _draw_kind(settings.reconstruction, rng)
    if kind is None:
        return image, Attributes()
    if reconstruct is None:
        raise InputError(f"this pseudo-fake needs the face's reconstruction '{kind}'")
    return reconstruct(kind), Attributes(generative=True)


def _draw_kind(settings: Reconstruction, rng: np.random.Generator) -> str | None:
    """Which reconstruction, with one draw; None for the face itself."""
    drawn = rng.random()
    for kind in settings.kinds:
        probability = getattr(settings, kind)
        if drawn < probability:
            return kind
        drawn -= probability
    return None


def _displaced(
    parts: Sequence[HardMask], warp: Warp, settings: Displacement, rng: np.random.Generator
) -> Sequence[HardMask]:
    """The parts after one affine and elastic displacement, worked out around where the first one, the largest, is."""
    if settings == Displacement(affine=False, elastic=False):
        return parts
    shape = parts[0].shape
    around = result_of(_window(parts[0]), warp, shape, REACH)
    if settings.elastic:
        height, width = (side.stop - side.start for side in around)
        warp = replace(warp, elastic=elastic_field(height, width, rng))
    return [_laid_on(np.zeros_like(part), around, warp_mask(part, warp, around)) for part in parts]


def _apart(parts: Sequence[HardMask], settings: MaskSettings) -> Sequence[HardMask]:
    """The parts as they are blurred one by one."""
    if settings.kind != "bbmg":
        return parts
    face, features = parts
    return bbmg_parts(face, features, settings.bbmg)


def _window(mask: HardMask | SoftMask) -> Window:
    """The smallest window around all of a mask that is not 0."""
    left, top, width, height = cv2.boundingRect((mask != 0).view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _on_grid(window: Window, shape: tuple[int, int]) -> Window:
    """A window enlarged to whole steps of the largest factor of lost resolution, which keeps one pixel of each step."""
    step = max(DOWNSCALE_FACTORS)
    rows, columns = (
        slice(side.start // step * step, min(-(-side.stop // step) * step, length))
        for side, length in zip(window, shape, strict=True)
    )
    return rows, columns


def _laid_on(ground: A, window: Window, part: A) -> A:
    """A copy of an array in which a part replaces a window."""
    laid = ground.copy()
    laid[window] = part
    return laid


def _soften(
    parts: Sequence[HardMask], settings: BoundarySettings, is_micro: bool, rng: np.random.Generator
) -> SoftMask:
    """The parts with soft boundaries, each blurred with kernels of its own at one size, joined.

    Of micro masks little would be left after the eroding pass, so they have the second one alone.
    """
    if settings.kernel is not None:
        mask = join_parts([blur_outside(part, settings.kernel) for part in parts])
    else:
        first = draw_blur(rng, settings.blur)
        blurs = [first, *(redraw_kernels(first, rng) for _ in parts[1:])]
        blurred = blur_boundary if settings.erode and not is_micro else soften_boundary
        mask = join_parts([blurred(part, blur) for part, blur in zip(parts, blurs, strict=True)])
    if not mask.any():
        raise PseudoFakeError("nothing of the mask is left in the image")
    return mask
