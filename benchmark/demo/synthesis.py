"""Manipulations that make the whole picture anew, in place of generators of talking heads and of entire faces.

    StillPuppet         the first frame moved as a driver moves, at lower resolution, in place of one-shot animation
    FaceMorph           a face between two people (Wolberg, Image Morphing, 1998), in place of one drawn by a GAN
    ChimericFace        one half of the picture and its mirror image, in place of a face drawn from a text
    PatchCodebook       the details of small patches, each by the nearest of a few dozen that were learnt (Linde, Buzo
                        and Gray, 1980), in place of vector-quantised autoencoders
    Denoising           noise put on the picture and taken off by a bilateral filter, in place of diffusion

None is a learned generator. Every function takes a clip as those of benchmark.demo.forge do, and returns forged frames
(T, H, W, 3) and masks (T, H, W) uint8 that are 255 everywhere.
"""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.demo.animate import Clip, render
from benchmark.demo.forge import EYES, Frames, Masks, Offsets, expression_offsets, rescaled, with_expression
from benchmark.demo.portraits import Portrait
from benchmark.demo.warp import Image, similarity, transform

Patches = npt.NDArray[np.float32]
"""(n, 48) float32, patches of 4 x 4 pixels in three channels, row by row."""

_PATCH = 4
_ROUNDS = 4  # of Lloyd's algorithm
_FILTERED_OVER = 7  # pixels


def still_puppet(clip: Clip, expression: Offsets, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Moves the clip's first frame along its head's path, with the driver's expression but for the eyes.

    Args:
        clip: the target.
        expression: (T, 81, 2), the driver's, as by `benchmark.demo.forge.expression_offsets`.
        rng: strength of the expression, resolution.
    """
    gain, detail = rng.uniform(1.0, 1.5), rng.uniform(0.5, 0.7)
    still = Portrait(clip.frames[0], clip.track[0])
    offsets = gain * expression - expression_offsets(clip.track, clip.neutral)
    offsets[:, EYES] = 0
    posed = (with_expression(points, offset) for points, offset in zip(clip.track, offsets, strict=True))
    return _whole(rescaled(render(still, points), detail, cv2.INTER_LINEAR) for points in posed)


def face_morph(clip: Clip, source: Portrait, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Moves a picture between target and source as the target moves.

    Args:
        clip: the target.
        source: the other of the two; framed like the target.
        rng: how near it is to either.
    """
    share = rng.uniform(0.4, 0.6)
    own = Portrait(clip.frames[0], clip.track[0])
    aligned = transform(similarity(own.landmarks, source.landmarks), source.landmarks)
    shape = ((1 - share) * own.landmarks + share * aligned).astype(np.float32)
    blended = cv2.addWeighted(render(own, shape), 1 - share, render(source, shape), share, 0)
    morph = Portrait(blended, shape)
    return _whole(render(morph, points + shape - own.landmarks) for points in clip.track)


def chimeric_face(clip: Clip, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Mirrors one half of each frame about the bridge of the nose onto the other half.

    Args:
        clip: the target.
        rng: which half.
    """
    is_left = rng.uniform() < 0.5
    last = clip.frames.shape[2] - 1

    def mirrored(frame: Image, middle: int) -> Image:
        reach = np.abs(np.arange(last + 1) - middle)
        columns = np.abs(middle - reach) if is_left else last - np.abs(last - middle - reach)
        return np.take(frame, columns, axis=1)  # in C order, as files and face search expect

    middles = clip.track[:, 27:31, 0].mean(axis=1).round().astype(int)
    return _whole(mirrored(frame, middle) for frame, middle in zip(clip.frames, middles, strict=True))


def patch_codebook(clip: Clip, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Keeps the mean colour of each patch and takes what differs from it within the patch from a codebook.

    Args:
        clip: the target; height and width are multiples of 4.
        rng: size of the codebook, with which patches of the first frame its learning begins.
    """
    details = _details(clip.frames[0])[0]
    codes = details[rng.choice(len(details), rng.integers(32, 97), replace=False)]
    for _ in range(_ROUNDS):
        nearest = _nearest(details, codes)
        counts = np.bincount(nearest, minlength=len(codes))
        sums = np.zeros_like(codes)
        np.add.at(sums, nearest, details)
        codes = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], codes).astype(np.float32)

    def quantised(frame: Image) -> Image:
        found, means = _details(frame)
        return _assembled(codes[_nearest(found, codes)] + means, frame.shape)

    return _whole(map(quantised, clip.frames))


def denoising(clip: Clip, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Puts Gaussian noise on each frame and filters it off again.

    Args:
        clip: the target.
        rng: the noise and its strength.
    """
    sigma = float(rng.uniform(12, 22))

    def renewed(frame: Image) -> Image:
        noisy = frame + sigma * rng.standard_normal(frame.shape, dtype=np.float32)
        noisy = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
        return cv2.bilateralFilter(noisy, _FILTERED_OVER, 3 * sigma, _FILTERED_OVER / 2)

    return _whole(map(renewed, clip.frames))


def _whole(frames: Iterable[Image]) -> tuple[Frames, Masks]:
    forged = np.stack(list(frames))
    return forged, np.full(forged.shape[:3], 255, np.uint8)


def _details(frame: Image) -> tuple[Patches, npt.NDArray[np.float32]]:
    """The patches of a frame without their mean colours (n, 48), and these, repeated for each pixel (n, 48)."""
    height, width = frame.shape[0] // _PATCH, frame.shape[1] // _PATCH
    patches = frame.reshape(height, _PATCH, width, _PATCH, 3).swapaxes(1, 2).reshape(-1, _PATCH**2, 3)
    patches = patches.astype(np.float32)
    means = np.broadcast_to(patches.mean(axis=1, keepdims=True), patches.shape)
    return (patches - means).reshape(len(patches), -1), means.reshape(len(patches), -1)


def _assembled(patches: Patches, shape: tuple[int, ...]) -> Image:
    """The frame of `shape` (H, W, 3) that patches make."""
    height, width = shape[0] // _PATCH, shape[1] // _PATCH
    frame = patches.reshape(height, width, _PATCH, _PATCH, 3).swapaxes(1, 2).reshape(shape)
    return np.clip(frame + 0.5, 0, 255).astype(np.uint8)


def _nearest(patches: Patches, codes: Patches) -> npt.NDArray[np.int64]:
    """(n,) which of (k, 48) codes is nearest to each of (n, 48) patches."""
    return np.argmin((codes**2).sum(axis=1) - 2 * patches @ codes.T, axis=1)
