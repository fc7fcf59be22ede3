"""Makes the folder stills/: portraits of people who do not exist, drawn from a face GAN by a stated rule.

    pip install openvino && pip install --no-deps random-face==2021.7.21.1
    python -m benchmark.demo.make_stills

The generator is MobileStyleGAN (S. Belousov, 2021, arXiv 2104.04767), distilled from StyleGAN2 on FFHQ. Its two
networks lie as OpenVINO files in the package's data folder; the package itself is not imported, it needs an interface
that OpenVINO no longer has. stills/DATA_CARD.md says what the pictures are and what they are not for.
"""

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.demo.portraits import Portrait, find_portrait
from config.errors import InputError
from preprocessing.landmarks import find_predictor, load_predictor

COUNT = 72
SIZE = 400
PSI = 0.75
JPEG_QUALITY = 88
MEAN_SEED = 1_000_000
MEAN_SAMPLES = 4096
LATENT = 512
# Looked at and left out: a child or an adolescent, glasses or a hand that tear when warped, or visible GAN faults.
# fmt: off
EXCLUDED_SEEDS = frozenset((
    1, 5, 6, 10, 12, 16, 23, 25, 28, 32, 36, 42, 48, 57, 62, 63, 68, 74, 78, 83, 84, 106, 115, 116, 118, 119, 124,
    131, 134, 141, 150, 155, 160, 161, 162, 166, 171, 179, 184, 186, 192, 207, 208, 215, 216, 223, 225, 230, 235, 239,
    240, 242, 243, 244, 249, 250, 253, 262, 265, 266, 269, 272, 273, 276, 279, 280, 286, 300, 301, 304, 307,
))
# fmt: on

Image = npt.NDArray[np.uint8]


def portraits_of_nobody() -> Callable[[int], Image]:
    """The generator, as a function from a seed to a (SIZE, SIZE, 3) uint8 RGB portrait.

    A latent of 512 normal numbers is mapped to a style, the style is drawn towards the mean of 4,096 mapped ones by
    PSI (the truncation trick of StyleGAN, Karras et al. 2019), and the style is synthesised at 1024 px and reduced.

    Raises:
        InputError: random-face or openvino is not installed.
    """
    package = importlib.util.find_spec("random_face")
    if package is None or not package.submodule_search_locations or importlib.util.find_spec("openvino") is None:
        raise InputError(
            "making stills needs the packages openvino and random-face==2021.7.21.1 (see the module's text)"
        )
    from openvino import Core

    core = Core()
    data = Path(package.submodule_search_locations[0]) / "data"
    mapping = core.compile_model(core.read_model(data / "MappingNetwork.xml"), "CPU")
    synthesis = core.compile_model(core.read_model(data / "SynthesisNetwork.xml"), "CPU")

    def style_of(latent: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return mapping(latent[None])[0]

    latents = np.random.default_rng(MEAN_SEED).standard_normal((MEAN_SAMPLES, LATENT)).astype(np.float32)
    mean = np.mean([style_of(latent) for latent in latents], axis=0)

    def generate(seed: int) -> Image:
        latent = np.random.default_rng(seed).standard_normal(LATENT).astype(np.float32)
        planes = synthesis(mean + PSI * (style_of(latent) - mean))[0][0]
        rgb = np.clip((planes.transpose(1, 2, 0) + 1) * 127.5, 0, 255).round().astype(np.uint8)
        return cv2.resize(rgb, (SIZE, SIZE), interpolation=cv2.INTER_AREA)

    return generate


def is_usable(portrait: Portrait) -> bool:
    """Whether a portrait can be animated: near frontal, upright, and large enough.

    The tip of the nose lies within 8 % of the jaw's width from its middle, the eyes are level within 6 degrees, and the
    jaw's width is at least 35 % of the picture's.
    """
    points = portrait.landmarks
    jaw_left, jaw_right = points[0], points[16]
    width = jaw_right[0] - jaw_left[0]
    off_centre = abs(points[30, 0] - (jaw_left[0] + jaw_right[0]) / 2) / width
    left_eye, right_eye = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    roll = np.degrees(np.arctan2(*(right_eye - left_eye)[::-1]))
    return bool(off_centre <= 0.08 and abs(roll) <= 6 and width >= 0.35 * portrait.rgb.shape[1])


def choose(generate: Callable[[int], Image], count: int) -> Iterator[tuple[int, Image]]:
    """Yields the first `count` usable (seed, portrait) pairs, for seeds 0, 1, 2, ... without the excluded ones.

    Usable means: dlib's frontal detector finds exactly one face, and `is_usable`.
    """
    predictor = load_predictor(find_predictor())
    found = 0
    for seed in range(100 * count):
        if found == count:
            return
        if seed in EXCLUDED_SEEDS:
            continue
        rgb = generate(seed)
        portrait = find_portrait(rgb, predictor, only_one=True)
        if portrait is not None and is_usable(portrait):
            found += 1
            yield seed, rgb


def main() -> None:
    """Writes the stills as `seed_NNNN.jpg`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "stills")
    parser.add_argument("--count", type=int, default=COUNT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for seed, rgb in choose(portraits_of_nobody(), options.count):
        _, encoded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        (options.out / f"seed_{seed:04d}.jpg").write_bytes(encoded.tobytes())


if __name__ == "__main__":
    main()
