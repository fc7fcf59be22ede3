"""What sheets of pseudo-fakes are made of: compositions, the faces that they make fakes of, and what makes them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from benchmark.demo.build import STILLS
from benchmark.explain.faces import Reconstructions, ShownFaces, photographs, stored_faces
from benchmark.loading import device_named
from config.errors import InputError
from config.load import load_config
from config.pseudofake import PseudoFakeConfig
from config.schema import Profile
from preprocessing.clips import Image
from preprocessing.landmarks import predictor_of
from preprocessing.samples import BrokenSampleError, Sample
from training.errors import PseudoFakeError
from training.fakes import fake_sample, real_sample
from training.pseudofakes.compose import PseudoFake, make_pseudo_fake
from training.pseudofakes.partners import Partners, find_partners, landmarks_of, partner_image


@dataclass(frozen=True, slots=True)
class Material:
    """Compositions, and the faces that each of them makes fakes of.

    Attributes:
        settings: the compositions by their names.
        faces: all faces at hand, also those that are partners alone.
        whose: these are, in words.
        reconstructions: of them.
    """

    settings: dict[str, PseudoFakeConfig]
    faces: ShownFaces
    whose: str
    reconstructions: Reconstructions

    def makers(self) -> Iterator["Maker"]:
        """What makes the fakes of each composition."""
        for name, one in self.settings.items():
            yield Maker(name, one, self.faces, self.reconstructions)

    def caption(self) -> str:
        """Whose faces they are, and what made the reconstructions that fakes have asked for."""
        made = (f"{kind}: {maker}" for kind, maker in sorted(self.reconstructions.makers.items()))
        return "; ".join([f"Faces: {self.whose}", *made])


def open_material(
    compositions: Sequence[str],
    *,
    faces: Path | None,
    data: Path,
    train: str | None,
    profile: str,
    landmarks: Path | None,
    rows: int,
    overrides: Sequence[str],
    device: str,
) -> Material:
    """Load compositions and the faces that they are shown on; arguments and errors as for `explain_pseudofakes`."""
    if faces is not None and train is not None:
        raise InputError("--faces and --train both say whose faces are shown; choose one of them")
    settings = {name: load_config(PseudoFakeConfig, name, overrides) for name in compositions}
    if train is not None:
        shown: ShownFaces = stored_faces(data, train, profile)
        whose = f"{train}, split train"
    else:
        cut = load_config(Profile, profile)
        count = None if any(one.source == "partner" for one in settings.values()) else rows
        shown = photographs(faces or STILLS, cut, predictor_of(cut, landmarks), count)
        whose = "embedded stills, which a GAN made of nobody" if faces is None else faces.resolve().name
    return Material(settings, shown, whose, Reconstructions(shown, device_named(device)))


@dataclass(frozen=True, slots=True)
class Pair:
    """A real face and a fake of it.

    Attributes:
        name: of the face.
        real: the face, perhaps changed as the target of the fake, with an empty mask.
        fake: likewise, with the mask of what was changed.
    """

    name: str
    real: Sample
    fake: Sample


def make_pairs(material: Material, numbers: Iterable[int], seed: int) -> list[Pair]:
    """Fakes of some faces by a composition, each with its real face.

    Args:
        material: one composition, and the faces.
        numbers: of those that fakes are made of.
        seed: of all draws; each face has one of its own.

    Raises:
        InputError: no such fake can be made of a face, or one cannot be read.
    """
    (maker,), pairs = material.makers(), list[Pair]()
    try:
        for index in numbers:
            face, (made, _) = material.faces.read(index), maker.make(index, np.random.default_rng([seed, index]))
            name = short_name(material.faces.rows["video_id"].iloc[index])
            pairs.append(Pair(name, real_sample(face, made), fake_sample(face, made)))
    except BrokenSampleError as error:
        raise InputError(str(error)) from None
    return pairs


class Maker:
    """Makes fakes of faces by a composition, as the batch recipes do, but unmirrored and without the final changes.

    Args:
        name: of the composition.
        settings: the composition.
        faces: all faces at hand.
        reconstructions: of them.

    Raises:
        InputError: the composition needs partners, and there are too few faces.
    """

    def __init__(
        self, name: str, settings: PseudoFakeConfig, faces: ShownFaces, reconstructions: Reconstructions
    ) -> None:
        self.name, self.settings = name, settings
        self._faces, self._reconstructions = faces, reconstructions
        self._partners: Partners | None = None
        if settings.source == "partner":
            self._partners = find_partners(faces, np.arange(len(faces.rows)), settings.nearest)

    def make(self, index: int, rng: np.random.Generator, *, apart: bool = False) -> tuple[PseudoFake, str]:
        """The fake of a face, and in words what came in; "" for the face itself.

        Args:
            index: of the face.
            rng: source of all draws.
            apart: as for `make_pseudo_fake`.

        Raises:
            InputError: no such fake can be made of the face.
            BrokenSampleError: the face, or what comes in, cannot be read.
        """
        try:
            return self._made(index, rng, apart)
        except PseudoFakeError as error:
            origin = self._faces.rows["video_id"].iloc[index]
            raise InputError(f"no pseudo-fake '{self.name}' can be made of {origin}: {error}") from None

    def _made(self, index: int, rng: np.random.Generator, apart: bool) -> tuple[PseudoFake, str]:
        face, other, asked = self._faces.read(index), None, [""]
        if self._partners:
            other = self._partners.draw(index, rng)

        def reconstruct(kind: str) -> Image:
            asked.append(kind)
            return self._reconstructions.of(index, kind)

        made = make_pseudo_fake(
            face.image,
            landmarks_of(face),
            self.settings,
            rng,
            partner=None if other is None else partner_image(self._faces.read(other), face),
            reconstruct=reconstruct,
            apart=apart,
        )
        if other is not None:
            return made, f"from {short_name(self._faces.rows['video_id'].iloc[other])}"
        return made, asked[-1] if made.attributes.generative else ""


def short_name(video: str) -> str:
    """The last part of a video's id."""
    return PurePosixPath(video).name
