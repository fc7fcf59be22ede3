"""Views of a face: the stored crop as it is, and perturbed as a suite says, the same for every detector."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from config.errors import InputError
from config.load import load_config, validate
from config.perturbation import CLEAN, PerturbationSuite
from preprocessing.clips import Image
from preprocessing.perturbations import PERTURBATION, ClipPerturbation, Perturbation
from preprocessing.samples import FaceSet, Sample


class Variant(NamedTuple):
    """Which view of a face it is, as score tables name it: perturbation, level from 1 on, draw from 0 on."""

    perturbation: str
    level: int
    draw: int


UNPERTURBED = Variant(CLEAN, 0, 0)


@dataclass(frozen=True)
class Suite:
    """A perturbation suite, ready to be applied.

    Attributes:
        name: as it was asked for; of a file its stem.
        config: what its YAML says.
        levels: each perturbation's levels, weakest first.
    """

    name: str
    config: PerturbationSuite
    levels: dict[str, tuple[Perturbation, ...]]

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """All views of a face, the clean one first; what draws nothing is there once at each level."""
        made = [
            Variant(name, number, draw)
            for name, levels in self.levels.items()
            for number, level in enumerate(levels, 1)
            for draw in range(self.config.draws if level.is_random else 1)
        ]
        return (UNPERTURBED, *made)

    @cached_property
    def sha256(self) -> str:
        """Hash of all that decides the pixels."""
        levels = {name: [level.model_dump(mode="json") for level in of] for name, of in self.levels.items()}
        about = [levels, self.config.on, self.config.draws, self.config.seed]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def perturb(self, image: Image, key: str, variant: Variant) -> Image:
        """A view of an image: the same pixels in any process and order.

        Args:
            image: (H, W, 3) uint8 RGB.
            key: the face's key in its store, which the draws are seeded with.
            variant: one of `variants`.
        """
        if variant == UNPERTURBED:
            return image
        level = self.levels[variant.perturbation][variant.level - 1]
        return level.apply(image, self._rng(key, variant))

    def _rng(self, key: str, variant: Variant) -> np.random.Generator:
        words = np.frombuffer(hashlib.sha256(f"{key}\n{variant}".encode()).digest(), np.uint32)
        return np.random.default_rng([self.config.seed, *words.tolist()])


def load_suite(name_or_path: str) -> Suite:
    """A suite by its name, or from a YAML file.

    Raises:
        InputError: no such suite or perturbation, parameters that it does not have, or a crop that is to be perturbed
            in a way that needs the whole clip.
    """
    config = load_config(PerturbationSuite, name_or_path)
    levels = {
        name: tuple(
            validate(PERTURBATION[name], level, f"{name_or_path}: {name}, level {number}")
            for number, level in enumerate(given, 1)
        )
        for name, given in config.perturbations.items()
    }
    for name, of in levels.items():
        if config.on == "crop" and isinstance(of[0], ClipPerturbation):
            raise InputError(
                f"{name_or_path}: {name} changes whole clips, of which no crop is one; expected 'on: frame'"
            )
    path = Path(name_or_path)
    return Suite(path.stem if path.suffix in {".yaml", ".yml"} else name_or_path.replace("/", "_"), config, levels)


def read_views(faces: FaceSet, index: int, suite: Suite, cut: Callable[[Sample], Sample]) -> tuple[Sample, list[Image]]:
    """A face and all its views, in the order of `suite.variants`; it is read and decoded once.

    Args:
        faces: where it is.
        index: which.
        suite: what happens to it.
        cut: cuts a loose crop to the face, before it is perturbed.

    Returns:
        The sample as cut, and its views, (H, W, 3) uint8 RGB; the first is the sample's own image.

    Raises:
        BrokenSampleError: as for `FaceSet.read`.
    """
    sample, key = cut(faces.read(index)), faces.key(index)
    return sample, [suite.perturb(sample.image, key, variant) for variant in suite.variants]
