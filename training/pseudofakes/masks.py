"""Where a pseudo-fake is changed: masks that are drawn from a face's landmarks.

Four families: the hull of all landmarks (SBI), the four hulls of Face X-ray's landmark library ("LAL", CVPR 2020), the
facial features of SLADD (CVPR 2022), and the macro and micro masks of FIA-USA (NeurIPS 2025). ADFD's Boundary Blur Mask
Generator ("BBMG") takes a face apart by a mask of the second and one of the third.

Landmarks are (68, 2) or (81, 2) in dlib's numbering (`preprocessing.landmarks`), x and y in pixels, and may lie outside
of the image. Left and right are those of the image. A mask is (H, W), 1 where the face is changed and 0 elsewhere.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar, get_args

import cv2
import numpy as np
import numpy.typing as npt

from config.pseudofake import LAL_KINDS, MTMS_KINDS, BbmgForm, Draw, LalKind, MtmsKind
from preprocessing.landmarks import PARTS
from preprocessing.margins import INNER_POINTS
from training.errors import PseudoFakeError
from training.pseudofakes.blur import HardMask, SoftMask

Points = npt.NDArray[np.float64]
Shape = tuple[int, int]
M = TypeVar("M", HardMask, SoftMask)

Feature = Literal["left_eye", "right_eye", "nose", "mouth"]
FEATURES: tuple[Feature, ...] = get_args(Feature)

NARROWED = 0.7
"""What BBMG's form "narrowed" leaves of the features' width and height; ADFD gives no figure."""

_FARTHEST = 2**15 - 1  # pixels from the origin; far beyond, OpenCV's coordinates would overflow
_LINES = {"line_8": cv2.LINE_8, "line_aa": cv2.LINE_AA}

_LEFT_EYE, _RIGHT_EYE, _MOUTH = range(36, 42), range(42, 48), range(48, 68)
_DFL_FULL: tuple[tuple[int, ...], ...] = (
    (*range(17), *_MOUTH),
    (*range(27, 31), 33),
    (*range(17, 27), 0, 27, 16, 33),
)
_COMPONENTS: tuple[tuple[int, ...], ...] = (
    (*range(9), 17),
    (*range(8, 17), 26),
    (*range(17, 20), 8),
    (*range(24, 27), 8),
    (*range(19, 25), 8),
    (*range(17, 22), 27, *range(31, 36), 8),
    (*range(22, 27), 27, *range(31, 36), 8),
    tuple(range(27, 36)),
)


_LAL_DRAW = Draw(value=255)
_FACEHULL_DRAW = Draw(line="line_aa", value=255)


def hull_mask(landmarks: npt.NDArray[Any], shape: Shape, draw: Draw) -> HardMask:
    """The convex hull of all landmarks given.

    Args:
        landmarks: (68, 2) or (81, 2).
        shape: height and width of the mask in pixels.
        draw: how it is drawn.

    Raises:
        PseudoFakeError: the landmarks are not of a face, or the mask has no pixel in the image.
    """
    return _filled([_checked(landmarks)], shape, draw)


def lal_mask(kind: LalKind, landmarks: npt.NDArray[Any], shape: Shape, draw: Draw | None = None) -> HardMask:
    """One of the landmark library's masks: a union of convex hulls, all but "facehull" of the first 68 landmarks.

    "dfl_full" and "components" are the face up to the brows in different parts, which cover the same pixels where the
    face is frontal; "extended" are the components with the brows lifted by half of their distance from the eyes;
    "facehull" is the hull of all landmarks.

    Args:
        kind: which of the four.
        landmarks: (68, 2) or (81, 2).
        shape: height and width of the mask in pixels.
        draw: how it is drawn; None for float32 as in the library, which draws "facehull" alone with LINE_AA.

    Raises:
        PseudoFakeError: the landmarks are not of a face, or the mask has no pixel in the image.
    """
    points = _checked(landmarks)
    if kind == "facehull":
        return _filled([points], shape, draw or _FACEHULL_DRAW)
    groups = _DFL_FULL if kind == "dfl_full" else _COMPONENTS
    if kind == "extended":
        points = _with_lifted_brows(points)
    return _filled([points[list(group)] for group in groups], shape, draw or _LAL_DRAW)


def random_lal_kind(rng: np.random.Generator, kinds: Sequence[LalKind] = LAL_KINDS) -> LalKind:
    """One of the kinds, all equally likely."""
    return kinds[int(rng.integers(len(kinds)))]


def local_mask(features: Sequence[Feature], landmarks: npt.NDArray[Any], shape: Shape, draw: Draw) -> HardMask:
    """The union of facial features, each a line that is dilated by a diamond.

    An eye is the line between its corners, dilated by about its width; the mouth likewise, by a third; the nose is the
    line from its base to the middle of the eyes, dilated by a quarter of the eyes' distance.

    Args:
        features: one or more of `FEATURES`.
        landmarks: (68, 2) or (81, 2).
        shape: height and width of the mask in pixels.
        draw: how it is drawn.

    Raises:
        PseudoFakeError: the landmarks are not of a face, or the mask has no pixel in the image.
    """
    points = _checked(landmarks)
    return _filled([_feature_outline(feature, points) for feature in features], shape, draw)


def random_features(rng: np.random.Generator) -> tuple[Feature, ...]:
    """One to four different facial features; all numbers are equally likely, and so are all subsets of a number."""
    number = rng.integers(1, len(FEATURES), endpoint=True)
    return tuple(FEATURES[index] for index in rng.choice(len(FEATURES), number, replace=False))


def mtms_mask(kind: MtmsKind, landmarks: npt.NDArray[Any], shape: Shape, draw: Draw) -> HardMask:
    """One of FIA-USA's masks: macro, the hull or bounding box of the landmarks, or micro, that of eyes, mouth or both.

    Args:
        kind: which of the five.
        landmarks: (68, 2) or (81, 2).
        shape: height and width of the mask in pixels.
        draw: how it is drawn.

    Raises:
        PseudoFakeError: the landmarks are not of a face, or the mask has no pixel in the image.
    """
    points = _checked(landmarks)
    if kind == "hull":
        return _filled([points], shape, draw)
    if kind == "rectangle":
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return _filled([np.array([(left, top), (right, top), (right, bottom), (left, bottom)])], shape, draw)
    eyes, mouth = [_LEFT_EYE, _RIGHT_EYE], [_MOUTH]
    groups = {"eyes": eyes, "mouth": mouth, "eyes_mouth": eyes + mouth}[kind]
    return _filled([points[list(group)] for group in groups], shape, draw)


def random_mtms_kind(rng: np.random.Generator, kinds: Sequence[MtmsKind] = MTMS_KINDS) -> MtmsKind:
    """One of the kinds, all equally likely."""
    return kinds[int(rng.integers(len(kinds)))]


def bbmg_parts(face: HardMask, features: HardMask, form: BbmgForm) -> tuple[HardMask, ...]:
    """The masks of BBMG that are blurred one by one, for `join_parts` to put together again.

    The features count where they lie in the face. The first part is the face without them. The second is the features
    themselves, in form "narrowed" made smaller about their common centroid; form "glo" has none. These are the three
    forms of ADFD's Table 12, in its order.

    Args:
        face: (H, W) in [0, 1].
        features: the same for the facial features, of the same type.
        form: "full" is the method.

    Returns:
        One or two masks of the type given; either may be all 0.
    """
    inside = np.minimum(face, features)
    rest = face - inside
    if form == "glo":
        return (rest,)
    return rest, _narrowed(inside) if form == "narrowed" else inside


def join_parts(parts: Sequence[M]) -> M:
    """The largest value of all parts at each pixel: what lies between two blurred parts stays below 1."""
    return parts[0] if len(parts) == 1 else np.maximum.reduce(parts)


def _checked(landmarks: npt.NDArray[Any]) -> Points:
    """The landmarks as float64, if they can be a face."""
    points = np.asarray(landmarks, np.float64)
    if points.shape not in ((INNER_POINTS, 2), (PARTS, 2)):
        raise PseudoFakeError(
            f"a mask needs {INNER_POINTS} or {PARTS} landmarks of x and y, not an array of shape {points.shape}"
        )
    if not (np.abs(points) <= _FARTHEST).all():
        raise PseudoFakeError(f"a landmark is not finite, or farther than {_FARTHEST} pixels from the image's corner")
    distinct = len({(x, y) for x, y in np.rint(points).tolist()})
    if distinct < 3:
        raise PseudoFakeError(f"a mask needs landmarks in 3 or more pixels, and these are in {distinct}")
    return points


def _filled(outlines: Iterable[Points], shape: Shape, draw: Draw) -> HardMask:
    """The union of the convex hulls of some points each, edges included, as far as they lie in the image."""
    canvas = np.zeros(shape, draw.dtype)
    for points in outlines:
        hull = cv2.convexHull(np.rint(points).astype(np.int32))
        cv2.fillConvexPoly(canvas, hull, draw.value, _LINES[draw.line])
    mask = (canvas == draw.value).astype(draw.dtype)
    if not mask.any():
        raise PseudoFakeError(f"no pixel of the mask lies in the image of {shape[1]} x {shape[0]} pixels")
    return mask


def _with_lifted_brows(points: Points) -> Points:
    """The landmarks with each point of the brows moved on by half of the way to it from the eye's point below."""
    lifted = points.copy()
    # outside of each eye, a quarter of the way from its corner to the jaw, as an eye has a point less than a brow
    outer_left, outer_right = (0.75 * points[[36, 45]] + 0.25 * points[[0, 16]])[:, None]
    below = np.concatenate([outer_left, points[36:40], points[42:46], outer_right])
    lifted[17:27] += (points[17:27] - below) / 2
    return lifted


def _feature_outline(feature: Feature, points: Points) -> Points:
    """The corners of a feature's dilated line: eight points."""
    if feature == "nose":
        eyes = points[list(_LEFT_EYE)].mean(axis=0), points[list(_RIGHT_EYE)].mean(axis=0)
        return _dilated_line(points[33], (eyes[0] + eyes[1]) / 2, int(_distance(*eyes) // 4))
    if feature == "mouth":
        start, end = points[48], points[54]
        return _dilated_line(start, end, int(_distance(start, end) // 3))
    start, end = points[[36, 39]] if feature == "left_eye" else points[[42, 45]]
    return _dilated_line(start, end, 4 * int(_distance(start, end) // 4))


def _dilated_line(start: Points, end: Points, radius: int) -> Points:
    """The corners of a line that is dilated `radius` times by a cross of 3 x 3: its hull is that of two diamonds'."""
    diamond = radius * np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
    return np.concatenate([start + diamond, end + diamond])


def _distance(first: Points, second: Points) -> float:
    return float(np.linalg.norm(first - second))


def _narrowed(mask: HardMask) -> HardMask:
    """A mask made smaller about its centroid; its values stay."""
    moments = cv2.moments(mask)
    if moments["m00"] == 0:
        return mask
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    matrix = cv2.getRotationMatrix2D((x, y), 0.0, NARROWED)
    return cv2.warpAffine(mask, matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)
