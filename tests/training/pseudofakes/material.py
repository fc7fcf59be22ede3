"""Real pictures' faces to make pseudo-fakes of, and what holds for any of these."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from config.load import config_names, load_config, variant_names
from config.pseudofake import PseudoFakeConfig
from preprocessing.clips import Image
from training.pseudofakes.compose import Attributes, PseudoFake, make_pseudo_fake

COMPOSITIONS = [
    name for preset in config_names(PseudoFakeConfig) for name in (preset, *variant_names(PseudoFakeConfig, preset))
]
BLENDED, SWAPPED = Attributes(), Attributes(identity=True)
GENERATED = Attributes(generative=True)
UNMOVED = ("displacement.affine=false", "displacement.elastic=false")
ALL_POINTS = "mask.inner_prob=0"
ROUNDING = 0.51  # levels: half of one, and what float32 adds


@dataclass(frozen=True, slots=True)
class Material:
    """A face, and what compositions may ask for beside it."""

    image: Image
    landmarks: np.ndarray
    partner: Image

    def make(
        self, composition: str | PseudoFakeConfig, seed: int = 0, *overrides: str, apart: bool = False
    ) -> PseudoFake:
        config = composition
        if isinstance(config, str):
            config = load_config(PseudoFakeConfig, config, overrides)
        rng = np.random.default_rng(seed)
        return make_pseudo_fake(
            self.image,
            self.landmarks,
            config,
            rng,
            partner=self.partner,
            reconstruct=self.reconstruct,
            apart=apart,
        )

    def reconstruct(self, kind: str) -> Image:
        """Stands for a network; each kind changes every pixel, and differently."""
        return cv2.flip(self.image, 1) if kind == "autoencoder" else 255 - self.image

    def copies(self) -> list[np.ndarray]:
        return [self.image.copy(), self.landmarks.copy(), self.partner.copy()]

    def reduced(self, size: int) -> "Material":
        images = (cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in (self.image, self.partner))
        image, partner = images
        return Material(image, self.landmarks * size / self.image.shape[0], partner)


def made_often(face: Material, composition: str, times: int, *overrides: str) -> Iterator[PseudoFake]:
    config = load_config(PseudoFakeConfig, composition, overrides)
    return (face.make(config, seed) for seed in range(times))


def pixels_of(made: PseudoFake) -> list[np.ndarray]:
    return [made.fake, made.real, made.source, made.mask]


def box_of(made: PseudoFake, rim: int = 0) -> tuple[slice, slice]:
    """Around the mask, outside of which no source is shown, and so many pixels further in."""
    rows, columns = (np.flatnonzero(made.mask.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0] + rim, rows[-1] + 1 - rim), slice(columns[0] + rim, columns[-1] + 1 - rim)


def same(first: PseudoFake, second: PseudoFake) -> bool:
    said = [(made.region, made.ratio, made.attributes) for made in (first, second)]
    return said[0] == said[1] and all(
        np.array_equal(*pair) for pair in zip(pixels_of(first), pixels_of(second), strict=True)
    )


def assert_is_a_blend(made: PseudoFake, shape: tuple[int, int]) -> None:
    """What holds for any pseudo-fake of an image of this height and width."""
    assert made.mask.dtype == np.float32
    assert made.mask.shape == shape
    assert 0 <= made.mask.min() <= made.mask.max() <= 1
    assert made.hard.shape == shape
    assert set(np.unique(made.hard)) <= {0, 1}
    for image in (made.fake, made.real, made.source):
        assert image.dtype == np.uint8
        assert image.shape == (*shape, 3)
    np.testing.assert_array_equal(made.fake[made.mask == 0], made.real[made.mask == 0])
    whole = made.mask * np.float32(made.ratio) == 1
    np.testing.assert_array_equal(made.fake[whole], made.source[whole])
    assert (made.fake >= np.minimum(made.source, made.real)).all()
    assert (made.fake <= np.maximum(made.source, made.real)).all()
