"""`assay explain pseudofakes`: a sheet that shows what a composition makes of faces, step by step."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from rich.console import Console

from benchmark.demo.build import STILLS
from benchmark.explain.faces import Reconstructions, ShownFaces, photographs, stored_faces
from benchmark.loading import device_named
from config.errors import InputError
from config.load import load_config
from config.pseudofake import PseudoFakeConfig
from config.schema import Profile
from evaluation.plots.sheets import StepRows, step_sheet
from evaluation.plots.style import check_form, save_figure
from preprocessing.clips import Image
from preprocessing.landmarks import predictor_of
from preprocessing.samples import BrokenSampleError
from training.errors import PseudoFakeError
from training.pseudofakes.compose import PseudoFake, make_pseudo_fake
from training.pseudofakes.partners import Partners, find_partners, landmarks_of, partner_image

AMPLIFIED = 4
STEPS = ("real", "mask", "source", "target", "fake", f"|fake - target| x {AMPLIFIED}")
LABEL_WIDTH = 19  # letters of a line


def explain_pseudofakes(
    compositions: Sequence[str],
    out: Path,
    *,
    faces: Path | None = None,
    data: Path,
    train: str | None = None,
    profile: str = "dfb",
    landmarks: Path | None = None,
    rows: int = 3,
    seed: int = 0,
    overrides: Sequence[str] = (),
    device: str = "cpu",
    console: Console,
) -> None:
    """Draw compositions below each other on one sheet, of the same faces with the same seeds.

    Args:
        compositions: names or YAML files of pseudo-fakes.
        out: the picture.
        faces: folder of photographs; None for the embedded stills, unless `train` is given.
        data: folder of stores and manifests.
        train: data set whose stored faces are shown.
        profile: name of the preprocessing profile.
        landmarks: predictor for photographs; None for the default.
        rows: how many faces are shown; partners come out of all faces at hand.
        seed: of all draws.
        overrides: assignments to each composition.
        device: where substitutes make reconstructions that are not stored.
        console: where it is said what was drawn.

    Raises:
        InputError: an option names nothing or does not go with another, or a face can have no such fake.
    """
    check_form(out)
    material = open_material(
        compositions,
        faces=faces,
        data=data,
        train=train,
        profile=profile,
        landmarks=landmarks,
        rows=rows,
        overrides=overrides,
        device=device,
    )
    try:
        groups = [_group(maker, material.faces, rows, seed) for maker in material.makers()]
    except BrokenSampleError as error:
        raise InputError(str(error)) from None
    caption = material.caption()
    save_figure(step_sheet(groups, STEPS, caption), out)
    console.print(f"{out}: {', '.join(material.settings)}\n{caption}", highlight=False)


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


def _group(maker: "Maker", faces: ShownFaces, rows: int, seed: int) -> StepRows:
    """The rows of one composition."""
    images, labels = [], []
    for index, origin in enumerate(faces.rows["video_id"].tolist()[:rows]):
        made, came_in = maker.make(index, np.random.default_rng([seed, index]))
        difference = np.abs(made.fake.astype(np.int16) - made.real) * AMPLIFIED
        shown = (faces.read(index).image, made.mask, made.source, made.real, made.fake)
        images.append((*shown, difference.clip(0, 255).astype(np.uint8)))
        said = (_short(origin), *made.region.split("; "), f"ratio {made.ratio:g}", came_in)
        labels.append("\n".join(textwrap.fill(line, LABEL_WIDTH) for line in said if line))
    return StepRows(f"{maker.name}   {maker.settings.title}", images, labels)


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
            return made, f"from {_short(self._faces.rows['video_id'].iloc[other])}"
        return made, asked[-1] if made.attributes.generative else ""


def _short(video: str) -> str:
    return PurePosixPath(video).name
