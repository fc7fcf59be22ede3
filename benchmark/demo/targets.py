"""A target of the demo: one person's real clip or still and the forgeries made from it, written to files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.demo.animate import Camera, Clip, animate, perform
from benchmark.demo.edits import feature_warp, region_swap, skin_smoothing
from benchmark.demo.encode import MASK, write_video
from benchmark.demo.forge import (
    FaceSpace,
    Frames,
    Masks,
    Offsets,
    box_swap,
    expression_warp,
    landmark_swap,
    linear_autoencoder,
    mouth_swap,
    poisson_swap,
    super_resolution,
)
from benchmark.demo.portraits import Portrait
from benchmark.demo.synthesis import chimeric_face, denoising, face_morph, patch_codebook, still_puppet

_BY_SOURCE = {
    "LandmarkSwap": landmark_swap,
    "PoissonSwap": poisson_swap,
    "BoxSwap": box_swap,
    "RegionSwap": region_swap,
    "FaceMorph": face_morph,
}
_BY_EXPRESSION = {"ExpressionWarp": expression_warp, "StillPuppet": still_puppet}
_BY_ITSELF = {
    "SuperResolution": super_resolution,
    "FeatureWarp": feature_warp,
    "SkinSmoothing": skin_smoothing,
    "ChimericFace": chimeric_face,
    "PatchCodebook": patch_codebook,
    "Denoising": denoising,
}


@dataclass(frozen=True, slots=True)
class Forgery:
    """One forged clip to be made from a target.

    Attributes:
        method: the manipulation.
        source: the identity that is put on, framed like the target.
        expression: (T, 81, 2) the source's expression in a clip of its own.
        seed: of the manipulation's generator.
        file: to write.
        mask: the mask video to write, or None.
    """

    method: str
    source: Portrait
    expression: Offsets
    seed: tuple[int, ...]
    file: Path
    mask: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One identity's real clip and the forgeries made from it.

    Attributes:
        portrait: the identity, framed.
        count: number of frames, 1 for a still.
        seed: of its performance and camera.
        file: the real clip's.
        forgeries: what is made from it.
        write: (path, frames (T, H, W, 3)) -> None, how all of them become files.
        space: for LinearAutoencoder.
    """

    portrait: Portrait
    count: int
    seed: tuple[int, ...]
    file: Path
    forgeries: tuple[Forgery, ...]
    write: Callable[[Path, Frames], None]
    space: FaceSpace | None = None


def make_target(target: Target) -> None:
    """Writes those files of a target that are not there yet."""
    if target.file.exists() and all(_is_made(forgery) for forgery in target.forgeries):
        return
    rng = np.random.default_rng(target.seed)
    clip = animate(target.portrait, perform(target.count, rng))
    camera = Camera.draw(clip.frames.shape, rng)
    if not target.file.exists():
        target.write(target.file, camera.shoot(clip.frames))
    for forgery in target.forgeries:
        if not _is_made(forgery):
            frames, masks = forge_clip(clip, forgery, target.space)
            if forgery.mask:
                write_video(forgery.mask, masks, MASK)
            target.write(forgery.file, camera.shoot(frames))


def forge_clip(clip: Clip, forgery: Forgery, space: FaceSpace | None = None) -> tuple[Frames, Masks]:
    """Runs a manipulation by its name: frames (T, H, W, 3) and masks (T, H, W), uint8."""
    rng, name = np.random.default_rng(forgery.seed), forgery.method
    if name in _BY_SOURCE:
        return _BY_SOURCE[name](clip, forgery.source, rng)
    if name in _BY_EXPRESSION:
        return _BY_EXPRESSION[name](clip, forgery.expression, rng)
    if name in _BY_ITSELF:
        return _BY_ITSELF[name](clip, rng)
    if name == "MouthSwap":
        return mouth_swap(clip, forgery.source, forgery.expression, rng)
    if name == "LinearAutoencoder" and space is not None:
        return linear_autoencoder(clip, forgery.source, space, rng)
    raise ValueError(f"no manipulation '{name}'")


def _is_made(forgery: Forgery) -> bool:
    return forgery.file.exists() and (forgery.mask is None or forgery.mask.exists())
