"""A still becomes a clip: head motion, blinks, speech and a change of expression, all by one warp per frame.

A head is 81 landmarks with a depth template. Each frame moves the landmarks by an expression and a pose, and the
picture follows by a thin-plate spline that is held at the picture's border. It stands in for footage of people: it
shows no new skin, hair or teeth, and a turn of more than some 15 degrees would look like rubber.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.demo.portraits import Portrait
from benchmark.demo.warp import Image, Points, bounding_box, sample, thin_plate_map

Track = npt.NDArray[np.float32]
"""(T, 81, 2) float32 landmarks of T frames, x then y, in pixels."""
Signal = npt.NDArray[np.float64]

UPPER_LIDS, LOWER_LIDS = [37, 38, 43, 44], [41, 40, 47, 46]
INNER_LIPS = list(range(60, 68))
_BROWS = list(range(17, 27))
_MOUTH_CAVITY = np.array([48.0, 20.0, 20.0])


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames and where the face is in them.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        track: (T, 81, 2) float32 landmarks in pixels.
        neutral: (81, 2) float32 landmarks of the still that was animated, in pixels of the frames.
    """

    frames: npt.NDArray[np.uint8]
    track: Track
    neutral: Points


@dataclass(frozen=True, slots=True)
class Performance:
    """What a head does over T frames; every attribute is (T,).

    Attributes:
        yaw: degrees, positive to the right of the image.
        pitch: degrees, positive upwards.
        roll: degrees, positive clockwise in the image.
        zoom: a factor about 1.
        shift_x: jaw widths.
        shift_y: jaw widths.
        blink: 0 open to 1 closed.
        mouth: 0 as in the still to 1 wide open.
        smile: -1 to 1.
        brow: -1 lowered to 1 raised.
    """

    yaw: Signal
    pitch: Signal
    roll: Signal
    zoom: Signal
    shift_x: Signal
    shift_y: Signal
    blink: Signal
    mouth: Signal
    smile: Signal
    brow: Signal


def smooth_signal(count: int, rng: np.random.Generator, cycles: float = 1.0) -> Signal:
    """A slow random curve of `count` values within [-1, 1]: three sines of about `cycles`, 2 and 3 times `cycles`."""
    time = np.arange(count) / max(count - 1, 1)
    curve = np.zeros(count)
    for harmonic, weight in ((1, 0.6), (2, 0.25), (3, 0.15)):
        frequency = cycles * harmonic * rng.uniform(0.7, 1.3)
        curve += weight * np.sin(2 * np.pi * (frequency * time + rng.uniform()))
    return curve


def perform(count: int, rng: np.random.Generator) -> Performance:
    """Draws a performance of `count` frames: slow head motion, a blink or two, syllables, a change of expression."""
    blink = np.zeros(count)
    for _ in range(rng.integers(1, 3)):
        blink = np.maximum(blink, 1 - np.abs(np.arange(count) - rng.uniform(0, count)) / rng.uniform(2.0, 3.5))
    speech = np.clip(smooth_signal(count, rng, cycles=rng.uniform(1.5, 3)) + rng.uniform(-0.2, 0.3), 0, 1)
    return Performance(
        yaw=rng.uniform(4, 12) * smooth_signal(count, rng, 0.6) + rng.uniform(-3, 3),
        pitch=rng.uniform(2, 5) * smooth_signal(count, rng, 0.6),
        roll=rng.uniform(1, 4) * smooth_signal(count, rng, 0.5),
        zoom=1 + 0.025 * smooth_signal(count, rng, 0.5),
        shift_x=0.05 * smooth_signal(count, rng, 0.5),
        shift_y=0.03 * smooth_signal(count, rng, 0.5),
        blink=np.clip(blink, 0, 1),
        mouth=speech * rng.uniform(0.5, 1),
        smile=rng.uniform(0.3, 1) * smooth_signal(count, rng, 0.4),
        brow=rng.uniform(0.2, 1) * smooth_signal(count, rng, 0.7),
    )


def landmark_track(neutral: Points, performance: Performance) -> Track:
    """The landmarks of every frame: the still's, with the performance's expression, then its pose.

    Args:
        neutral: (81, 2) landmarks of the still.
        performance: of T frames.

    Returns:
        (T, 81, 2) float32.
    """
    head = _Head.of(neutral)
    return np.stack([head.pose(head.express(performance, t), performance, t) for t in range(len(performance.yaw))])


def animate(portrait: Portrait, performance: Performance) -> Clip:
    """Renders a performance of a still.

    Args:
        portrait: the still, the face fairly large and well inside.
        performance: of T frames.

    Returns:
        T frames of the still's size with their landmarks.
    """
    neutral = portrait.landmarks
    track = landmark_track(neutral, performance)
    frames = np.stack([render(portrait, points) for points in track])
    return Clip(frames, track, neutral)


@dataclass(frozen=True, slots=True)
class Camera:
    """What a camera adds to a recording: drifting light, a slight colour cast, sensor noise.

    It is applied after the manipulation, the same to a real clip and to the forgeries made from it: a forgery then
    differs from its target only where it was forged, and noise tells nothing.

    Attributes:
        light: (T, 3) float32 factors for red, green and blue.
        noise: (T, H, W, 3) float16 added to 8-bit values.
    """

    light: npt.NDArray[np.float32]
    noise: npt.NDArray[np.float16]

    @staticmethod
    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> "Camera":
        """Draws the camera of a recording of `shape` (T, H, W, 3)."""
        drift = 1 + rng.uniform(0.01, 0.05) * smooth_signal(shape[0], rng, 0.5)
        cast = rng.uniform(0.97, 1.03, size=3)
        sigma = rng.uniform(1.0, 3.0)
        noise = np.stack([sigma * rng.standard_normal(shape[1:], dtype=np.float32) for _ in range(shape[0])])
        return Camera((drift[:, None] * cast).astype(np.float32), noise.astype(np.float16))

    def shoot(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The recording, (T, H, W, 3) uint8, of what happens in `frames`, (T, H, W, 3) uint8."""
        pairs = zip(frames, self.light, self.noise, strict=True)
        return np.stack(
            [np.clip(frame * light + noise + 0.5, 0, 255).astype(np.uint8) for frame, light, noise in pairs]
        )


def open_mouth(frame: Image, points: Points, neutral_gap: float) -> Image:
    """Darkens what has opened between the lips: a warp alone would stretch them over the gap.

    Args:
        frame: (H, W, 3) uint8 RGB, warped.
        points: (81, 2) its landmarks.
        neutral_gap: the still's `lip_gap`.
    """
    opened = lip_gap(points) - neutral_gap
    strength = 0.9 * np.clip(opened / 0.03, 0, 1) * np.clip(1 - neutral_gap / 0.06, 0, 1)
    if strength < 0.02:
        return frame
    left, top, right, bottom = box = bounding_box(points[INNER_LIPS], frame.shape, margin=6)
    if right <= left or bottom <= top:
        return frame
    cavity = np.zeros((bottom - top, right - left), np.float32)
    cv2.fillPoly(cavity, [np.round(points[INNER_LIPS] - box[:2]).astype(np.int32)], 1.0)
    alpha = strength * cv2.GaussianBlur(cavity, (5, 5), 0)[..., None]
    opened_frame = frame.copy()
    inside = frame[top:bottom, left:right]
    opened_frame[top:bottom, left:right] = inside + alpha * (_MOUTH_CAVITY - inside) + 0.5
    return opened_frame


def lip_gap(points: Points) -> float:
    """The mean distance between the inner lips, in jaw widths."""
    gap = np.linalg.norm(points[[61, 62, 63]] - points[[67, 66, 65]], axis=1).mean()
    return float(gap / jaw_width(points))


def jaw_width(points: Points) -> float:
    """The distance between the two ends of the jaw line, landmarks 0 and 16, in pixels."""
    return float(np.linalg.norm(points[16] - points[0]))


@dataclass(frozen=True, slots=True)
class _Head:
    """A still's landmarks in the head's own axes: x to the image's right, y down, z to the camera, unit half a jaw."""

    local: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    centre: npt.NDArray[np.float64]
    unit: float

    @staticmethod
    def of(neutral: Points) -> "_Head":
        right = (neutral[42:48].mean(axis=0) - neutral[36:42].mean(axis=0)).astype(float)
        right /= np.linalg.norm(right)
        axes = np.stack([right, [-right[1], right[0]]])
        unit = jaw_width(neutral) / 2
        centre = neutral[[0, 16, 27, 30]].mean(axis=0).astype(float)
        flat = (neutral - centre) @ axes.T / unit
        bulge = 1 - (flat[:, 0] / 1.15) ** 2 - (flat[:, 1] / 1.75) ** 2
        depth = np.sqrt(np.clip(bulge, 0.02, None))
        depth[27:36] += [0.02, 0.08, 0.16, 0.24, 0.08, 0.13, 0.15, 0.13, 0.08]  # the nose, bridge to nostrils
        depth[36:48] -= 0.04  # the eyes
        return _Head(np.column_stack([flat, depth]), axes, centre, unit)

    def express(self, performance: Performance, t: int) -> npt.NDArray[np.float64]:
        points = self.local.copy()
        opening = points[LOWER_LIDS, :2] - points[UPPER_LIDS, :2]
        points[UPPER_LIDS, :2] += 0.65 * performance.blink[t] * opening
        points[LOWER_LIDS, :2] -= 0.20 * performance.blink[t] * opening
        points[_BROWS, 1] -= 0.06 * performance.brow[t]
        drop = 0.14 * performance.mouth[t]
        points[[55, 56, 57, 58, 59, 65, 66, 67], 1] += drop * np.array([0.8, 1, 1, 1, 0.8, 0.95, 1, 0.95])
        points[5:12, 1] += 0.75 * drop * np.array([0.4, 0.7, 0.9, 1, 0.9, 0.7, 0.4])
        points[[48, 54, 60, 64], 1] += 0.3 * drop
        smile = 0.07 * performance.smile[t]
        for corner, beside in ((48, [49, 59, 60]), (54, [53, 55, 64])):
            outwards = np.array([np.sign(points[corner, 0]) * smile, -0.6 * smile])
            points[corner, :2] += outwards
            points[beside, :2] += 0.6 * outwards
        return points

    def pose(self, points: npt.NDArray[np.float64], performance: Performance, t: int) -> Points:
        yaw, pitch, roll = np.radians([performance.yaw[t], performance.pitch[t], performance.roll[t]])
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        axis = np.array([0, 0, 0.3])  # the neck turns behind the face
        turned = (points - axis) @ (about_x @ about_y).T
        flat = performance.zoom[t] * turned[:, :2] @ about_z.T
        flat += 2 * np.array([performance.shift_x[t], performance.shift_y[t]])
        return (self.centre + self.unit * flat @ self.axes).astype(np.float32)


def render(portrait: Portrait, points: Points) -> Image:
    """The still with its landmarks carried to `points`."""
    neutral, (height, width) = portrait.landmarks, portrait.rgb.shape[:2]
    border = _border(width, height)
    still_controls = np.vstack([neutral, _around(neutral, neutral), border])
    controls = np.vstack([points, _around(neutral, points), border])
    positions = thin_plate_map(controls, still_controls, (0, 0, width, height), smoothing=1.0)
    return open_mouth(sample(portrait.rgb, positions), points, lip_gap(neutral))


def _border(width: int, height: int) -> Points:
    """Points all around the picture, a little outside, which never move."""
    xs, ys = np.linspace(-0.05, 1.05, 7), np.linspace(-0.05, 1.05, 7)
    ring = [(x, y) for x in xs for y in ys if x in (xs[0], xs[-1]) or y in (ys[0], ys[-1])]
    return (np.array(ring) * (width, height)).astype(np.float32)


def _around(neutral: Points, points: Points) -> Points:
    """Hair and ears: a ring 1.3 times as far out as the face's outline, following four fifths of the head's motion."""
    outline = [*range(0, 17, 2), 78, 74, 73, 80, 71, 70, 69, 75, 77]
    centre = neutral[27:36].mean(axis=0)
    ring = centre + 1.3 * (neutral[outline] - centre)
    return (ring + 0.8 * (points[outline] - neutral[outline])).astype(np.float32)
