"""Trains the substitutes, a small autoencoder and a small upscaler, and measures them on people they have not seen.

    python -m preprocessing.reconstruction.train --labels landmarks81.json --images DIR --out DIR

Beside each weights file it writes a `.json`: settings, counts and held-out figures, which the model card
(models/RECONSTRUCTORS.md) quotes.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from config.errors import InputError
from preprocessing.clips import Image
from preprocessing.faces import ALIGNMENT_POINTS, similarity_transform, target_points
from preprocessing.reconstruction.autoencoder import load_autoencoder
from preprocessing.reconstruction.reconstructor import enlarge
from preprocessing.reconstruction.substitutes import ENLARGED, SmallAutoencoder, SmallUpscaler
from preprocessing.reconstruction.super_resolution import load_super_resolver
from preprocessing.train_landmarks import read_labels, read_photograph, split_identities

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the substitutes are trained with.

    Attributes:
        sources: folders of photographs; the labels of other folders are left out.
        held_out: share of the people of each source that is measured on and not trained on.
        crop: side of the aligned faces in pixels.
        patch: side of the squares trained on, in pixels; each is cut with up to twice this side and reduced to it.
        steps: of each network.
        rate: Adam's highest learning rate; it rises and falls in one cycle.
        longest_gradient: a step's gradient is shortened to it.
        edges: weight of the error of differences between neighbours, beside that of pixels.
    """

    sources: tuple[str, ...] = ("real_congress_pd", "real_london_ccby", "real_canada_ccby")
    held_out: float = 0.2
    seed: int = 2026
    crop: int = 256
    patch: int = 64
    batch: int = 16
    steps: int = 4000
    rate: float = 1e-3
    longest_gradient: float = 0.2
    edges: float = 1.0


def aligned(rgb: Image, points: npt.NDArray[np.float64], side: int) -> Image:
    """The face (side, side, 3) as profile `dfb` cuts it out of a photograph, by its labelled landmarks (81, 2)."""
    matrix = similarity_transform(points[list(ALIGNMENT_POINTS)], target_points(side, 1.3))
    return cv2.warpAffine(rgb, matrix, (side, side))


def patches(faces: list[Image], settings: Settings, rng: np.random.Generator) -> Tensor:
    """A batch of squares out of random faces, every other one mirrored: (B, 3, patch, patch) in [0, 1]."""
    cut = []
    for number, index in enumerate(rng.integers(len(faces), size=settings.batch)):
        face = faces[index]
        side = int(rng.integers(settings.patch, min(2 * settings.patch, settings.crop) + 1))
        top, left = rng.integers(0, settings.crop - side + 1, size=2)
        square = face[top : top + side, left : left + side]
        square = cv2.resize(square, (settings.patch, settings.patch), interpolation=cv2.INTER_AREA)
        cut.append(square[:, ::-1] if number % 2 else square)
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).float() / 255


def loss(made: Tensor, wanted: Tensor, edges: float) -> Tensor:
    """Mean absolute error of pixels, and of differences between neighbours, which punishes blur."""
    across = made.diff(dim=3) - wanted.diff(dim=3)
    down = made.diff(dim=2) - wanted.diff(dim=2)
    return (made - wanted).abs().mean() + edges * (across.abs().mean() + down.abs().mean())


def train(
    network: nn.Module, faces: list[Image], settings: Settings, *, reduced: int, rng: np.random.Generator
) -> None:
    """Train a network to give back squares of faces.

    Args:
        network: (B, 3, h, w) in [0, 1] to (B, 3, patch, patch).
        faces: (crop, crop, 3) uint8.
        settings: how.
        reduced: the network gets the squares reduced by this factor; 1 as they are.
        rng: draws the squares.
    """
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), settings.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=settings.steps)
    for step in range(settings.steps):
        wanted = patches(faces, settings, rng).contiguous(memory_format=torch.channels_last)
        made = network(F.avg_pool2d(wanted, reduced))
        optimizer.zero_grad()
        error = loss(made, wanted, settings.edges)
        error.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.longest_gradient)
        optimizer.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            sys.stderr.write(f"{type(network).__name__}: step {step + 1}, loss {error.item():.4f}\n")


def write(network: nn.Module, path: Path) -> None:
    """Write weights as float16 safetensors."""
    path.write_bytes(save({name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}))


def psnr(made: Image, wanted: Image) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = np.square(made.astype(np.float64) - wanted).mean()
    return float(10 * np.log10(255**2 / error))


def sharpness(image: Image) -> float:
    """Mean absolute Laplacian."""
    return float(np.abs(cv2.Laplacian(image, cv2.CV_64F)).mean())


def measure(reconstruct: Callable[[Image], Image], faces: list[Image]) -> dict[str, float]:
    """How close reconstructions come to their faces, how much of the sharpness they keep, and how long one takes."""
    started = time.perf_counter()
    made = [reconstruct(face) for face in faces]
    seconds = time.perf_counter() - started
    ratios = [psnr(one, face) for one, face in zip(made, faces, strict=True)]
    kept = [sharpness(one) / sharpness(face) for one, face in zip(made, faces, strict=True)]
    return {
        "PSNR, mean (dB)": round(float(np.mean(ratios)), 2),
        "PSNR, lowest of twenty (dB)": round(float(np.quantile(ratios, 0.05)), 2),
        "Laplacian kept": round(float(np.mean(kept)), 3),
        "ms per face": round(1000 * seconds / len(faces), 1),
    }


def resample(interpolation: int, image: Image) -> Image:
    """A face reduced and enlarged as for the upscaler, but by one of OpenCV's interpolations."""
    return enlarge(
        lambda small: cv2.resize(small, None, fx=ENLARGED, fy=ENLARGED, interpolation=interpolation), image, ENLARGED
    )


def run(labels_file: Path, images: Path, out: Path, settings: Settings) -> dict[str, object]:
    """Train both networks, write them, and measure what was written.

    Returns:
        the reports by file stem, ready for JSON.

    Raises:
        InputError: labels or photographs cannot be read.
    """
    labels = read_labels(labels_file, settings.sources)
    rng = np.random.default_rng(settings.seed)
    trained_on, measured_on = split_identities(labels, settings.held_out, rng)

    def crops(names: Iterable[str]) -> list[Image]:
        return [aligned(read_photograph(images / name), labels[name], settings.crop) for name in names]

    faces, unseen = crops(trained_on), crops(measured_on)
    torch.manual_seed(settings.seed)
    autoencoder, upscaler = out / "assay_autoencoder.safetensors", out / "assay_upscaler.safetensors"
    for network, path, reduced in ((SmallAutoencoder(), autoencoder, 1), (SmallUpscaler(), upscaler, ENLARGED)):
        train(network, faces, settings, reduced=reduced, rng=rng)
        write(network, path)
    measured: dict[Path, dict[str, Callable[[Image], Image]]] = {
        autoencoder: {"autoencoder": load_autoencoder(autoencoder, CPU)},
        upscaler: {
            "upscaler": load_super_resolver(upscaler, CPU),
            "bicubic": partial(resample, cv2.INTER_CUBIC),
            "Lanczos": partial(resample, cv2.INTER_LANCZOS4),
        },
    }
    return {
        path.stem: {
            "settings": asdict(settings),
            "faces trained on": len(faces),
            "faces held out": len(unseen),
            "bytes": path.stat().st_size,
            "held out": {name: measure(reconstruct, unseen) for name, reconstruct in networks.items()},
        }
        for path, networks in measured.items()
    }


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, trains, and writes weights and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="JSON: image name -> 81 pairs x, y in pixels")
    parser.add_argument("--images", type=Path, required=True, help="folder that the image names are relative to")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and reports")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    tunable = {name: value for name, value in asdict(Settings()).items() if isinstance(value, int | float)}
    for name, value in tunable.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value, help="default: %(default)s")
    options = parser.parse_args(arguments)
    settings = Settings(**{name: getattr(options, name) for name in tunable})
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    try:
        reports = run(options.labels, options.images, options.out, settings)
    except InputError as error:
        parser.error(str(error))
    for stem, report in reports.items():
        (options.out / f"{stem}.json").write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(json.dumps(reports, indent=2) + "\n")


if __name__ == "__main__":
    main()
