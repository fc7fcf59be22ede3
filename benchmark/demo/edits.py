"""Manipulations of the face that only the demo's stand-ins have; contracts as in benchmark.demo.forge.

RegionSwap          eyes, nose and mouth of the source, warped by landmarks, colour-matched, blended
FeatureWarp         the target's own eyes and mouth made larger, the nose narrower, as face editing does
SkinSmoothing       an edge-preserving filter (Tomasi and Manduchi, Bilateral Filtering, 1998) and another tone
"""

import cv2
import numpy as np

from benchmark.demo.animate import Clip
from benchmark.demo.forge import (
    FACE,
    INNER,
    WARP_SMOOTHING,
    Frames,
    Masks,
    cut,
    face_box,
    forge_each,
    hull_alpha,
    match_colour,
)
from benchmark.demo.portraits import Portrait
from benchmark.demo.warp import Image, Points, sample, thin_plate_map

_EYE_PAIR = (range(36, 42), range(42, 48))
_NOSTRILS, _MOUTH = range(31, 36), range(48, 68)
_BROWS_TO_CHIN = [*INNER, *range(6, 11)]
_SMOOTHED_OVER = 9  # pixels


def region_swap(clip: Clip, source: Portrait, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Puts the source's eyes, nose, mouth and chin on the target's face; cheeks and jaw line stay.

    Args:
        clip: the target.
        source: the identity to put on.
        rng: colour match, softness of the border.
    """
    strength, softness = rng.uniform(0.5, 0.9), rng.uniform(0.08, 0.16)

    def forge(frame: Image, points: Points, _: int) -> Image:
        box = face_box(points, frame)
        face = sample(source.rgb, thin_plate_map(points, source.landmarks, box, WARP_SMOOTHING))
        return match_colour(face, cut(frame, box), hull_alpha(points[_BROWS_TO_CHIN], box, 0.02), strength)

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[_BROWS_TO_CHIN], box, softness))


def feature_warp(clip: Clip, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Makes eyes and mouth of the target's own face larger and its nose narrower.

    Args:
        clip: the target.
        rng: by how much, softness of the border.
    """
    eyes, mouth, nose = rng.uniform(1.15, 1.35), rng.uniform(1.08, 1.2), rng.uniform(0.75, 0.9)
    softness = rng.uniform(0.05, 0.12)
    factors = [*((eye, eyes) for eye in _EYE_PAIR), (_MOUTH, mouth), (_NOSTRILS, nose)]

    def forge(frame: Image, points: Points, _: int) -> Image:
        moved = points.copy()
        for feature, factor in factors:
            centre = points[feature].mean(axis=0)
            moved[feature] = centre + factor * (points[feature] - centre)
        return sample(frame, thin_plate_map(moved, points, face_box(points, frame), WARP_SMOOTHING))

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[FACE], box, softness))


def skin_smoothing(clip: Clip, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Smooths the face's skin and gives it another tone.

    Args:
        clip: the target.
        rng: how much contrast counts as skin, the tone, softness of the border.
    """
    contrast, softness = rng.uniform(25, 50), rng.uniform(0.05, 0.12)
    tone = rng.uniform(0.93, 1.07, size=3)

    def forge(frame: Image, points: Points, _: int) -> Image:
        face = np.ascontiguousarray(cut(frame, face_box(points, frame)))
        smooth = cv2.bilateralFilter(face, _SMOOTHED_OVER, contrast, _SMOOTHED_OVER / 2)
        return np.clip(smooth * tone, 0, 255).astype(np.uint8)

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[FACE], box, softness))
