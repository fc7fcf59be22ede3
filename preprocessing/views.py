"""Views of a face: the stored crop as it is, and perturbed as a suite says, the same for every detector.

A suite on crops is applied when a face is read. Crops of perturbed frames are read from the store, where
`preprocessing.perturbed.run` has laid them.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from config.errors import InputError
from config.load import load_config, validate
from config.perturbation import CLEAN, PerturbationSuite
from config.registry import is_plugin_loaded, load_plugin, plugin_of
from preprocessing.clips import Image
from preprocessing.perturbations import PERTURBATION, ClipPerturbation, Perturbation
from preprocessing.perturbed.stored import LOST, maker_of, remedy
from preprocessing.samples import FaceSet, Sample
from preprocessing.store import perturbed_key


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
            key: of the face in its store, or of the first face of a frame; the draws are seeded with it.
            variant: one of `variants`.
        """
        if variant == UNPERTURBED:
            return image
        return self.level(variant).apply(image, self._rng(key, variant))

    def perturb_clip(self, frames: Iterable[Image], key: str, variant: Variant) -> Iterator[Image]:
        """The frames of a clip, in their order, after a perturbation of whole clips.

        Args:
            frames: each (H, W, 3) uint8 RGB, all of one size.
            key: the clip's folder in the store; the draws are seeded with it.
            variant: one of `variants`, of a `ClipPerturbation`.
        """
        level = self.level(variant)
        if not isinstance(level, ClipPerturbation):
            raise TypeError(f"{variant.perturbation} perturbs single images")
        return level.apply_to_clip(frames, self._rng(key, variant))

    def level(self, variant: Variant) -> Perturbation:
        """The perturbation of a variant, with its parameters."""
        return self.levels[variant.perturbation][variant.level - 1]

    def key_of(self, key: str, variant: Variant) -> str:
        """The key of a face's crop out of its perturbed frame; that of the face itself where nothing is perturbed."""
        name = f"{variant.perturbation}_{variant.level}_{variant.draw}"
        return key if variant == UNPERTURBED else perturbed_key(key, self.name, name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Worker processes have not imported the plugin files that perturbations may come from."""
        plugins = {plugin_of(type(level)) for levels in self.levels.values() for level in levels} - {None}
        return _restored, (self.name, self.config, sorted(plugins, key=str))

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
    levels = _levels(config, name_or_path)
    for name, of in levels.items():
        if config.on == "crop" and isinstance(of[0], ClipPerturbation):
            raise InputError(
                f"{name_or_path}: {name} changes whole clips, and a crop is a part of one frame; expected 'on: frame'"
            )
    path = Path(name_or_path)
    return Suite(path.stem if path.suffix in {".yaml", ".yml"} else name_or_path.replace("/", "_"), config, levels)


def read_views(faces: FaceSet, index: int, suite: Suite, cut: Callable[[Sample], Sample]) -> tuple[Sample, list[Image]]:
    """A face and all its views, in the order of `suite.variants`; each value of the store is read and decoded once.

    Args:
        faces: where it is.
        index: which.
        suite: what happens to it.
        cut: cuts a loose crop to the face; what is perturbed is the crop as cut, or the whole frame.

    Returns:
        The sample as cut, and its views, (H, W, 3) uint8 RGB; the first is the sample's own image.

    Raises:
        BrokenSampleError: as for `FaceSet.read`, or a crop of a perturbed frame could not be made.
        InputError: crops of perturbed frames are not there, or were made by another suite.
    """
    stored, key = faces.read(index), faces.key(index)
    sample = cut(stored)
    if suite.config.on == "crop":
        return sample, [suite.perturb(sample.image, key, variant) for variant in suite.variants]
    perturbed = [_stored_view(faces, index, suite, variant) for variant in suite.variants[1:]]
    return sample, [sample.image, *(cut(replace(stored, image=image)).image for image in perturbed)]


@dataclass(frozen=True, slots=True)
class StoredViews:
    """Of stored crops of perturbed frames what decides their pixels, beside the suite.

    Attributes:
        codec: which builds compressed the clips, "" if none was compressed.
        lost: hash of the keys of the faces that have none, because they were not found again in their clip.
    """

    codec: str
    lost: str


def stored_views(faces: FaceSet, suite: Suite) -> StoredViews | None:
    """See that crops of perturbed frames are there, before any is read; None for a suite on crops, which needs none.

    Raises:
        InputError: some are not there, were made by another suite, or with different builds of the codec.
    """
    if suite.config.on == "crop":
        return None
    places = [faces.place(index) for index in range(len(faces))]
    stores = {store.path: store for _, store in places}
    codecs = {path: maker_of(store, suite.name, suite.sha256).codec for path, store in stores.items()}
    sizes = [[store.size(suite.key_of(key, variant)) for variant in suite.variants[1:]] for key, store in places]
    lacking = [store for (_, store), of_face in zip(places, sizes, strict=True) if None in of_face]
    if lacking:
        raise InputError(
            f"{len(lacking)} of {len(places)} faces lack crops of perturbed frames of suite {suite.name}; "
            f"{remedy(lacking[0], suite.name)} makes what is missing"
        )
    if len(set(codecs.values())) > 1:
        raise InputError(
            f"the perturbed crops of suite {suite.name} in {' and '.join(map(str, codecs))} were made with "
            f"{' and '.join(codecs.values())}; make them anew with one: assay perturb --overwrite"
        )
    lost = [key for (key, _), of_face in zip(places, sizes, strict=True) if len(LOST) in of_face]
    return StoredViews(next(iter(codecs.values()), ""), hashlib.sha256("\n".join(lost).encode()).hexdigest())


def _stored_view(faces: FaceSet, index: int, suite: Suite, variant: Variant) -> Image:
    key, store = faces.place(index)
    maker_of(store, suite.name, suite.sha256)
    made = suite.key_of(key, variant)
    try:
        return faces.beside(index, made)
    except KeyError:
        raise InputError(
            f"{store.path}: no value under {made}; {remedy(store, suite.name)} makes what is missing"
        ) from None


def _levels(config: PerturbationSuite, where: str) -> dict[str, tuple[Perturbation, ...]]:
    return {
        name: tuple(
            validate(PERTURBATION[name], level, f"{where}: {name}, level {number}")
            for number, level in enumerate(given, 1)
        )
        for name, given in config.perturbations.items()
    }


def _restored(name: str, config: PerturbationSuite, plugins: Sequence[Path]) -> Suite:
    for path in plugins:
        if not is_plugin_loaded(path):
            load_plugin(path)
    return Suite(name, config, _levels(config, name))
