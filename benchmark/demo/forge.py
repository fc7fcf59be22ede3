"""The manipulations of the demo: each turns a clip into a forged clip and says where it did.

All are classical and run on a CPU; none is a learned generator, and their names say what they are:

    LandmarkSwap        the source's still, warped by landmarks onto the target's face (as FaceSwap of FF++ does with a
                        3-D model), colour-matched, blended
    ExpressionWarp      reenactment: the driver's expression moves the target's own face, redrawn at lower resolution
                        (as Face2Face does with a 3-D model)
    LinearAutoencoder   a substitute for the autoencoder of Deepfakes: principal components of shape-free faces (Cootes
                        et al., Active Appearance Models, 2001), the code moved towards the source's identity
    SuperResolution     a substitute for a learned super-resolution network: the face reduced, enlarged and sharpened
    PoissonSwap         LandmarkSwap's warp, blended by gradients (Perez et al., Poisson Image Editing, 2003)
    BoxSwap             a low-resolution square around the face replaced, as one-shot swappers paste their 128 px output
    MouthSwap           only mouth and chin replaced, as lip-synchronisation does

The first four make DemoFF, the other three DemoX; DemoDF40 and DemoDiFF have others beside them, which are in
benchmark.demo.edits and benchmark.demo.synthesis. Every function takes a clip, frames (T, H, W, 3) uint8 RGB with their
landmark track (T, 81, 2), and returns forged frames and masks (T, H, W) uint8: 255 where the picture is the forger's
alone, 0 where it was not touched; such pixels are returned unchanged. All that varies from clip to clip is drawn from
the given generator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.demo.animate import Clip, Track, jaw_width, lip_gap, open_mouth
from benchmark.demo.portraits import Portrait
from benchmark.demo.warp import Box, Image, Points, bounding_box, sample, similarity, thin_plate_map, transform

Frames = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.float32]
"""(T, 81, 2) float32, what an expression adds to a face's landmarks, in jaw widths."""
Alpha = npt.NDArray[np.float32]

_JAW, _BROWS, _NOSE, EYES, _MOUTH = range(17), range(17, 27), range(27, 36), range(36, 48), range(48, 68)
FACE = [*_JAW, *_BROWS]
INNER = [*_BROWS, *_NOSE, *EYES, *_MOUTH]
_STABLE = [*_NOSE, 36, 39, 42, 45, 0, 16]
_LOWER_FACE = [*range(3, 14), 31, 33, 35]
WARP_SMOOTHING = 4.0


def landmark_swap(clip: Clip, source: Portrait, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Puts the source's face on the target's, frame by frame; landmarks jitter as a tracker's do.

    Args:
        clip: the target.
        source: the identity to put on.
        rng: colour match, softness of the border, jitter.
    """
    strength, softness, jitter = rng.uniform(0.6, 0.95), rng.uniform(0.05, 0.12), rng.uniform(0.2, 0.6)

    def forge(frame: Image, points: Points, _: int) -> Image:
        seen = points + rng.normal(0, jitter, points.shape).astype(np.float32)
        box = face_box(points, frame)
        face = sample(source.rgb, thin_plate_map(seen, source.landmarks, box, WARP_SMOOTHING))
        return match_colour(face, cut(frame, box), hull_alpha(points[FACE], box, 0.02), strength)

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[FACE], box, softness))


def expression_warp(clip: Clip, expression: Offsets, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Makes the target's face show the driver's expression: brows and mouth; the eyes stay, a warp cannot open them.

    Args:
        clip: the target.
        expression: (T, 81, 2), the driver's, as by `expression_offsets`.
        rng: strength, resolution and shading of the redrawn face, softness of the border.
    """
    gain, detail, softness = rng.uniform(1.0, 1.5), rng.uniform(0.45, 0.65), rng.uniform(0.05, 0.12)
    shade = rng.uniform(-0.06, 0.06, size=3)
    offsets = gain * expression - expression_offsets(clip.track, clip.neutral)
    offsets[:, EYES] = 0
    neutral_gap = lip_gap(clip.neutral)

    def forge(frame: Image, points: Points, t: int) -> Image:
        box = face_box(points, frame)
        moved = with_expression(points, offsets[t])
        warped = sample(frame, thin_plate_map(moved, points, box, WARP_SMOOTHING))
        warped = open_mouth(warped, moved - np.array(box[:2], np.float32), max(neutral_gap, lip_gap(points)))
        return _shade(rescaled(warped, detail, cv2.INTER_LINEAR), shade)

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[FACE], box, softness))


@dataclass(frozen=True, slots=True)
class FaceSpace:
    """A linear autoencoder of faces: pixels warped to one mean shape, and their principal components.

    Attributes:
        shape: (81, 2) float32 mean landmarks in pixels of the texture.
        mean: (n,) float32, the mean texture, n = size * size * 3.
        components: (k, n) float32, orthonormal.
    """

    shape: Points
    mean: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]

    @property
    def size(self) -> int:
        """Side of the square texture in pixels."""
        return int(np.sqrt(len(self.mean) / 3))

    @staticmethod
    def fit(portraits: list[Portrait], components: int = 40, size: int = 112) -> "FaceSpace":
        """Fits the space to the training identities' stills and their mirror images.

        Args:
            portraits: at least two.
            components: length of the code, at most twice the number of portraits less one.
            size: side of the texture in pixels.
        """
        shape = _mean_shape([portrait.landmarks for portrait in portraits], size)
        textures = [_texture(portrait.rgb, portrait.landmarks, shape, size) for portrait in portraits]
        faces = np.stack([view.ravel() for texture in textures for view in (texture, texture[:, ::-1])])
        faces = faces.astype(np.float32)
        mean = faces.mean(axis=0)
        _, _, directions = np.linalg.svd(faces - mean, full_matrices=False)
        return FaceSpace(shape, mean, directions[: min(components, len(faces) - 1)].astype(np.float32))

    def encode(self, rgb: Image, points: Points) -> npt.NDArray[np.float32]:
        """The code (k,) of the face at (81, 2) `points`."""
        texture = _texture(rgb, points, self.shape, self.size).astype(np.float32)
        return self.components @ (texture.ravel() - self.mean)

    def decode(self, code: npt.NDArray[np.float32]) -> Image:
        """The texture (size, size, 3) uint8 of a code."""
        texture = np.clip(self.mean + code @ self.components, 0, 255)
        return texture.reshape(self.size, self.size, 3).astype(np.uint8)


def linear_autoencoder(
    clip: Clip, source: Portrait, space: FaceSpace, rng: np.random.Generator
) -> tuple[Frames, Masks]:
    """Encodes the target's face, moves the code towards the source's identity, decodes it onto the target.

    Args:
        clip: the target.
        source: the identity to move towards.
        space: fitted to training identities only.
        rng: how far the code moves, colour match, softness of the border.
    """
    towards, strength, softness = rng.uniform(0.5, 0.9), rng.uniform(0.7, 1.0), rng.uniform(0.05, 0.12)
    step = towards * (space.encode(source.rgb, source.landmarks) - space.encode(clip.frames[0], clip.track[0]))

    def forge(frame: Image, points: Points, _: int) -> Image:
        box = face_box(points, frame)
        texture = space.decode(space.encode(frame, points) + step)
        face = sample(texture, thin_plate_map(points, space.shape, box, WARP_SMOOTHING))
        return match_colour(face, cut(frame, box), hull_alpha(points[FACE], box, 0.02), strength)

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[FACE], box, softness))


def super_resolution(clip: Clip, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Reduces the face three to four times, enlarges it again and sharpens it.

    Args:
        clip: the target.
        rng: the factor, the sharpening, softness of the border.
    """
    factor, sharpening, softness = rng.uniform(3.0, 4.0), rng.uniform(0.8, 1.5), rng.uniform(0.04, 0.10)

    def forge(frame: Image, points: Points, _: int) -> Image:
        face = rescaled(cut(frame, face_box(points, frame)), 1 / factor, cv2.INTER_LANCZOS4)
        return cv2.addWeighted(face, 1 + sharpening, cv2.GaussianBlur(face, (0, 0), factor / 2), -sharpening, 0)

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[FACE], box, softness))


def poisson_swap(clip: Clip, source: Portrait, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Puts the source's face on the target's and lets the colours flow in from the border.

    Args:
        clip: the target.
        source: the identity to put on.
        rng: tracker jitter, colour match beforehand, distance of the border from the face's outline.
    """
    jitter, strength, inset = rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.6), rng.uniform(0.06, 0.09)
    forged, masks = clip.frames.copy(), np.zeros(clip.frames.shape[:3], np.uint8)
    for t, (frame, points) in enumerate(zip(clip.frames, clip.track, strict=True)):
        seen = points + rng.normal(0, jitter, points.shape).astype(np.float32)
        left, top, right, bottom = box = face_box(points, frame)
        face = sample(source.rgb, thin_plate_map(seen, source.landmarks, box, WARP_SMOOTHING))
        face = match_colour(face, cut(frame, box), hull_alpha(points[FACE], box, 0.02), strength)
        inside = np.where(hull_alpha(points[FACE], box, inset) > 0.5, 255, 0).astype(np.uint8)
        inside[[0, -1]] = inside[:, [0, -1]] = 0
        x, y, width, height = cv2.boundingRect(inside)
        centre = (left + x + width // 2, top + y + height // 2)
        cloned = cv2.seamlessClone(face, frame, inside.copy(), centre, cv2.NORMAL_CLONE)  # it writes to its mask
        touched = inside > 0
        forged[t, top:bottom, left:right][touched] = cloned[top:bottom, left:right][touched]
        masks[t, top:bottom, left:right] = inside
    return forged, masks


def box_swap(clip: Clip, source: Portrait, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Replaces a square around the inner face by the source's, aligned by a similarity and drawn at low resolution.

    Args:
        clip: the target.
        source: the identity to put on.
        rng: resolution of the square, colour match, softness of the border.
    """
    strength, detail = rng.uniform(0.7, 0.95), rng.uniform(0.4, 0.6)

    def forge(frame: Image, points: Points, _: int) -> Image:
        box = face_box(points, frame)
        # the shape follows the target's half way, as a swapper that keeps pose but not identity would
        rigid = transform(similarity(points[_STABLE], source.landmarks[_STABLE]), source.landmarks)
        face = sample(source.rgb, thin_plate_map(0.5 * points + 0.5 * rigid, source.landmarks, box, WARP_SMOOTHING))
        face = rescaled(face, detail, cv2.INTER_LINEAR)
        return match_colour(face, cut(frame, box), hull_alpha(points[INNER], box, 0.02), strength)

    return forge_each(clip, forge, _square_alpha)


def mouth_swap(clip: Clip, source: Portrait, expression: Offsets, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Replaces mouth and chin by the source's, moving as the source's do in a clip of its own.

    Args:
        clip: the target.
        source: whose mouth is shown.
        expression: (T, 81, 2), the source's, as by `expression_offsets`; only that of the mouth is used.
        rng: colour match, resolution, softness of the border.
    """
    strength, softness, detail = rng.uniform(0.6, 0.95), rng.uniform(0.08, 0.14), rng.uniform(0.5, 0.8)
    offsets = expression - expression_offsets(clip.track, clip.neutral)
    offsets[:, [*_BROWS, *EYES]] = 0

    def forge(frame: Image, points: Points, t: int) -> Image:
        box = face_box(points, frame)
        moved = with_expression(points, offsets[t])
        face = sample(source.rgb, thin_plate_map(moved, source.landmarks, box, WARP_SMOOTHING))
        face = open_mouth(face, moved - np.array(box[:2], np.float32), lip_gap(source.landmarks))
        face = rescaled(face, detail, cv2.INTER_LINEAR)
        return match_colour(face, cut(frame, box), hull_alpha(points[_LOWER_FACE], box, 0.02), strength)

    return forge_each(clip, forge, lambda points, box: hull_alpha(points[_LOWER_FACE], box, softness))


def expression_offsets(track: Track, neutral: Points) -> Offsets:
    """How a face's inner points differ from its own still, pose taken out by a similarity.

    Args:
        track: (T, 81, 2) landmarks of a clip.
        neutral: (81, 2) landmarks of its still.

    Returns:
        (T, 81, 2) float32 in jaw widths, in the still's axes; zero for jaw line, nose and forehead.
    """
    offsets = np.zeros(track.shape, np.float32)
    moving = [*_BROWS, *EYES, *_MOUTH]
    for t, points in enumerate(track):
        upright = transform(similarity(neutral[_STABLE], points[_STABLE]), points)
        offsets[t, moving] = (upright - neutral)[moving] / jaw_width(neutral)
    return offsets


def hull_alpha(points: Points, box: Box, softness: float) -> Alpha:
    """An opacity map for the convex hull of some landmarks, falling off inside it.

    Args:
        points: (n, 2) in pixels of the frame.
        box: the part of the frame that is wanted.
        softness: width of the falling border, as a fraction of the hull's width.

    Returns:
        (h, w) float32 in [0, 1], exactly 0 outside the hull.
    """
    left, top, right, bottom = box
    hull = cv2.convexHull(np.round(points - (left, top)).astype(np.int32))
    filled = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillConvexPoly(filled, hull, 1)
    return _feather(filled, softness * float(np.ptp(points[:, 0])))


def match_colour(face: Image, target: Image, alpha: Alpha, strength: float) -> Image:
    """Gives a face the target's colours: mean and spread per channel of CIE Lab (Reinhard et al., 2001).

    Args:
        face: (h, w, 3) uint8 RGB.
        target: (h, w, 3) uint8 RGB.
        alpha: (h, w), the pixels that count are those above 0.5.
        strength: 0 changes nothing, 1 matches fully.
    """
    where = (alpha > 0.5).astype(np.uint8)
    if not where.any():
        return face
    lab = cv2.cvtColor(face, cv2.COLOR_RGB2LAB)
    face_mean, face_spread = cv2.meanStdDev(lab, mask=where)
    mean, spread = cv2.meanStdDev(cv2.cvtColor(target, cv2.COLOR_RGB2LAB), mask=where)
    ratio = 1 + strength * (np.clip(spread / np.maximum(face_spread, 1), 0.5, 2.0) - 1)
    shift = face_mean + strength * (mean - face_mean)
    matched = (lab - face_mean[:, 0]) * ratio[:, 0] + shift[:, 0]
    return cv2.cvtColor(np.clip(matched + 0.5, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)


def forge_each(
    clip: Clip, forge: Callable[[Image, Points, int], Image], alpha_of: Callable[[Points, Box], Alpha]
) -> tuple[Frames, Masks]:
    """Blends `forge(frame, points, t)`, a picture of the face box, into every frame by `alpha_of(points, box)`."""
    forged, masks = clip.frames.copy(), np.zeros(clip.frames.shape[:3], np.uint8)
    for t, (frame, points) in enumerate(zip(clip.frames, clip.track, strict=True)):
        left, top, right, bottom = box = face_box(points, frame)
        opacity = np.round(alpha_of(points, box) * 255)
        alpha = (opacity / 255).astype(np.float32)[..., None]
        inside = frame[top:bottom, left:right]
        forged[t, top:bottom, left:right] = np.round(
            inside + alpha * (forge(frame, points, t).astype(np.float32) - inside)
        )
        masks[t, top:bottom, left:right] = opacity
    return forged, masks


def face_box(points: Points, frame: Image) -> Box:
    """The part of a frame that a manipulation of the face at (81, 2) `points` works on."""
    return bounding_box(points[:68], frame.shape, margin=8)


def cut(frame: Image, box: Box) -> Image:
    """The part of a frame in a box."""
    left, top, right, bottom = box
    return frame[top:bottom, left:right]


def _feather(filled: npt.NDArray[np.uint8], width: float) -> Alpha:
    """Shrinks a 0/1 region and blurs it so that it fades out before its old border."""
    if width < 1:
        return filled.astype(np.float32)
    reach = int(np.ceil(width))
    shrunk = cv2.erode(filled, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8), borderValue=0)
    return filled * cv2.GaussianBlur(shrunk.astype(np.float32), (2 * reach + 1, 2 * reach + 1), reach / 2)


def _square_alpha(points: Points, box: Box) -> Alpha:
    """A rounded square over brows, nose and mouth, upright with the face."""
    left, top, right, bottom = box
    inner = points[INNER]
    centre = (inner.min(axis=0) + inner.max(axis=0)) / 2 - (left, top)
    eyes = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    angle = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    side = 0.95 * float(np.ptp(inner, axis=0).max())
    corners = cv2.boxPoints(((float(centre[0]), float(centre[1])), (side, side), angle))
    filled = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillConvexPoly(filled, np.round(corners).astype(np.int32), 1)
    return _feather(filled, 0.08 * side)


def with_expression(points: Points, offsets: Points) -> Points:
    """Points of a frame moved by offsets in jaw widths, turned to the head's roll."""
    eyes = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    cosine, sine = eyes / np.linalg.norm(eyes)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return (points + jaw_width(points) * offsets @ turn.T).astype(np.float32)


def rescaled(face: Image, scale: float, enlarge: int) -> Image:
    """The picture reduced by `scale` and enlarged to its old size: what a generator of that resolution can show."""
    height, width = face.shape[:2]
    small = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=enlarge)


def _shade(face: Image, shade: npt.NDArray[np.float64]) -> Image:
    """Multiplies by a plane, 1 + a + b x + c y with x and y in [-1, 1]: lighting estimated with a few coefficients."""
    height, width = face.shape[:2]
    ys, xs = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    plane = (1 + shade[0] + shade[1] * xs + shade[2] * ys)[..., None]
    return np.clip(face * plane, 0, 255).astype(np.uint8)


def _mean_shape(shapes: list[Points], size: int) -> Points:
    """The mean of landmark sets aligned to the first, scaled so that the face fills a square of `size`."""
    mean = np.mean([transform(similarity(shapes[0], shape), shape) for shape in shapes], axis=0)
    mean -= (mean[:68].min(axis=0) + mean[:68].max(axis=0)) / 2
    return (mean * (0.94 * size / np.ptp(mean[:68], axis=0).max()) + size / 2).astype(np.float32)


def _texture(rgb: Image, points: Points, shape: Points, size: int) -> Image:
    """The face at `points`, warped to `shape` in a square of `size`."""
    return sample(rgb, thin_plate_map(shape, points, (0, 0, size, size), WARP_SMOOTHING))
