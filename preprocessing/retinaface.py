"""RetinaFace (Deng et al., CVPR 2020), laid out as in the MIT-licensed Pytorch_Retinaface, whose weights it reads.

Its two backbones are known: MobileNet of a quarter of the width (1.7 MB), and ResNet-50, which SBI tests with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.ops import nms

from config.errors import InputError
from preprocessing.clips import Image
from preprocessing.landmarks import git_blob_hash
from preprocessing.search import Box

STRIDES = (8, 16, 32)
VARIANCES = (0.1, 0.2)  # of centres and of sizes: what the network's outputs were divided by
MEAN = (104.0, 117.0, 123.0)  # BGR
CONFIDENT = 0.7  # P(face) of a box that is kept, as in SBI
OVERLAP = 0.4  # IoU above which the less certain box of two is dropped


@dataclass(frozen=True, slots=True)
class Training:
    """How weights were trained, which they do not say themselves.

    Attributes:
        sides: of the square anchors in pixels, two for each stride.
        leak: slope of negative values in MobileNet and in a narrow pyramid; 0 is a ReLU.
        longest: pixels; the longer side of a larger frame is brought to it, since no anchor is near a larger face.
    """

    sides: tuple[tuple[int, int], ...]
    leak: float
    longest: int


RETINAFACE = Training(((16, 32), (64, 128), (256, 512)), 0.1, 2048)
"""Pytorch_Retinaface."""
ONE_MEGABYTE = Training(((10, 20), (32, 64), (128, 256)), 0.0, 640)
"""Face-Detector-1MB-with-landmark, whose mobilenet0.25_Final.pth has the layers of Pytorch_Retinaface's."""
ONE_MEGABYTE_GIT_BLOBS = {"ccfe3491ab3e81d28b2695228e88210f25df70ee"}


def anchors(height: int, width: int, sides: Sequence[tuple[int, int]]) -> Tensor:
    """The boxes (A, 4) that an image of this size is compared with: centre x and y, width and height in pixels.

    Row by row of each stride's grid, two squares at the middle of each cell; the grids cover the image, and may go
    beyond it.
    """
    rows = []
    for stride, pair in zip(STRIDES, sides, strict=True):
        grid = product(range(ceil(height / stride)), range(ceil(width / stride)), pair)
        rows += [((x + 0.5) * stride, (y + 0.5) * stride, side, side) for y, x, side in grid]
    return torch.tensor(rows, dtype=torch.float32)


def decode(offsets: Tensor, at: Tensor) -> Tensor:
    """Boxes (A, 4), left, top, right, bottom in pixels, from what the network says (A, 4) of anchors (A, 4).

    The centre is off by a share of the anchor's side, the size by a factor whose logarithm is given.
    """
    centre = at[:, :2] + offsets[:, :2] * VARIANCES[0] * at[:, 2:]
    size = at[:, 2:] * torch.exp(offsets[:, 2:] * VARIANCES[1])
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


class RetinaFace(nn.Module):
    """The network: a backbone, a feature pyramid, a context module for each level, and heads of 1 x 1 convolutions.

    Args:
        backbone: gives maps at strides 8, 16 and 32.
        channels: of these maps.
        width: of the pyramid.
        slope: of negative values in the activations of pyramid and context modules; 0 is a ReLU.
    """

    def __init__(self, backbone: nn.Module, channels: tuple[int, int, int], width: int, slope: float) -> None:
        super().__init__()
        self.body = backbone
        self.fpn = _Pyramid(channels, width, slope)
        self.ssh1, self.ssh2, self.ssh3 = (_Context(width, slope) for _ in STRIDES)
        self.ClassHead, self.BboxHead, self.LandmarkHead = (
            nn.ModuleList(_Head(width, 2 * values) for _ in STRIDES) for values in (2, 4, 10)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """P(face) (B, A) and offsets (B, A, 4) of all anchors of images (B, 3, H, W), BGR minus MEAN."""
        levels = self.fpn(list(self.body(images).values()))
        maps = [context(level) for context, level in zip((self.ssh1, self.ssh2, self.ssh3), levels, strict=True)]
        logits = torch.cat([head(level, 2) for head, level in zip(self.ClassHead, maps, strict=True)], dim=1)
        offsets = torch.cat([head(level, 4) for head, level in zip(self.BboxHead, maps, strict=True)], dim=1)
        return logits.softmax(dim=2)[:, :, 1], offsets


class RetinaFaceDetector:
    """Finds the faces of frames, on the CPU.

    Args:
        network: with its weights.
        training: how these were trained.
    """

    def __init__(self, network: RetinaFace, training: Training) -> None:
        self._network = network.eval()
        self._training = training

    def __call__(self, frame: Image) -> list[Box]:
        """The faces of a frame (H, W, 3) uint8 BGR, most certain first."""
        scale = min(1.0, self._training.longest / max(frame.shape[:2]))
        scaled = frame if scale == 1 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        pixels = torch.from_numpy(scaled.astype(np.float32) - np.array(MEAN, np.float32)).permute(2, 0, 1)
        with torch.inference_mode():
            scores, offsets = (values[0] for values in self._network(pixels[None]))
            certain = scores >= CONFIDENT
            at = anchors(scaled.shape[0], scaled.shape[1], self._training.sides)
            boxes, scores = decode(offsets[certain], at[certain]), scores[certain]
            kept = nms(boxes, scores, OVERLAP)
        return [
            Box(round(left), round(top), round(right) - 1, round(bottom) - 1, score)
            for (left, top, right, bottom), score in zip(
                (boxes[kept] / scale).tolist(), scores[kept].tolist(), strict=True
            )
        ]


def read_retinaface(path: Path) -> RetinaFaceDetector:
    """A detector from a weights file of Pytorch_Retinaface (mobilenet0.25_Final.pth, Resnet50_Final.pth).

    Raises:
        InputError: the file cannot be read, or holds the weights of something else.
    """
    try:
        content = path.read_bytes()
        state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"face detector {path} cannot be read as weights of RetinaFace") from error
    training = ONE_MEGABYTE if git_blob_hash(content) in ONE_MEGABYTE_GIT_BLOBS else RETINAFACE
    is_deep = "body.layer1.0.conv1.weight" in _names(state)
    network = build_retinaface("resnet50" if is_deep else "mobilenet0.25", training.leak)
    try:
        network.load_state_dict({key.removeprefix("module."): value for key, value in dict(state).items()})
    except (RuntimeError, TypeError, ValueError, AttributeError):
        raise InputError(
            f"face detector {path}: expected weights of RetinaFace with mobilenet0.25 or resnet50"
        ) from None
    return RetinaFaceDetector(network, training)


def build_retinaface(backbone: str, leak: float) -> RetinaFace:
    """The network without weights; `backbone` is "mobilenet0.25", or "resnet50", which never leaks."""
    if backbone == "resnet50":
        layers = {"layer2": "1", "layer3": "2", "layer4": "3"}
        return RetinaFace(IntermediateLayerGetter(resnet50(weights=None), layers), (512, 1024, 2048), 256, 0.0)
    return RetinaFace(_MobileNet(leak), (64, 128, 256), 64, leak)


def _names(state: object) -> set[str]:
    return {str(key).removeprefix("module.") for key in state} if isinstance(state, Mapping) else set()


def _conv(inside: int, outside: int, size: int, stride: int = 1, slope: float | None = None) -> nn.Sequential:
    """Convolution and batch norm, and a leaky ReLU if a slope is given."""
    layers = [nn.Conv2d(inside, outside, size, stride, size // 2, bias=False), nn.BatchNorm2d(outside)]
    return nn.Sequential(*layers, *([] if slope is None else [nn.LeakyReLU(slope)]))


def _separable(inside: int, outside: int, stride: int, slope: float) -> nn.Sequential:
    """MobileNet's block: a convolution of each channel by itself, then one of each pixel."""
    alone = nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False)
    pixels = _conv(inside, outside, 1, slope=slope)
    return nn.Sequential(alone, nn.BatchNorm2d(inside), nn.LeakyReLU(slope), *pixels)


class _MobileNet(nn.Module):
    def __init__(self, slope: float) -> None:
        super().__init__()
        first = ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1))
        second = ((64, 128, 2), *[(128, 128, 1)] * 5)
        third = ((128, 256, 2), (256, 256, 1))
        blocks = [[_separable(*block, slope) for block in stage] for stage in (first, second, third)]
        self.stage1 = nn.Sequential(_conv(3, 8, 3, 2, slope), *blocks[0])
        self.stage2, self.stage3 = nn.Sequential(*blocks[1]), nn.Sequential(*blocks[2])

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        first = self.stage1(images)
        second = self.stage2(first)
        return {"1": first, "2": second, "3": self.stage3(second)}


class _Pyramid(nn.Module):
    """Three levels of equal width, each joined with the coarser one enlarged."""

    def __init__(self, channels: tuple[int, int, int], width: int, slope: float) -> None:
        super().__init__()
        self.output1, self.output2, self.output3 = (_conv(inside, width, 1, slope=slope) for inside in channels)
        self.merge1, self.merge2 = (_conv(width, width, 3, slope=slope) for _ in range(2))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, coarse = self.output1(maps[0]), self.output2(maps[1]), self.output3(maps[2])
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:]))
        return self.merge1(fine + F.interpolate(middle, size=fine.shape[2:])), middle, coarse


class _Context(nn.Module):
    """SSH's context module: fields of view of 3, 5 and 7 pixels side by side."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        half, quarter = width // 2, width // 4
        self.conv3X3 = _conv(width, half, 3)
        self.conv5X5_1, self.conv5X5_2 = _conv(width, quarter, 3, slope=slope), _conv(quarter, quarter, 3)
        self.conv7X7_2, self.conv7x7_3 = _conv(quarter, quarter, 3, slope=slope), _conv(quarter, quarter, 3)

    def forward(self, level: Tensor) -> Tensor:
        shared = self.conv5X5_1(level)
        wide = self.conv7x7_3(self.conv7X7_2(shared))
        return F.relu(torch.cat([self.conv3X3(level), self.conv5X5_2(shared), wide], dim=1))


class _Head(nn.Module):
    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(width, channels, 1)

    def forward(self, level: Tensor, values: int) -> Tensor:
        """(B, anchors of the level, values)."""
        return self.conv1x1(level).permute(0, 2, 3, 1).reshape(len(level), -1, values)
