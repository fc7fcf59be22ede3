"""Aligned tuples of a test set: a real face, SBI and CBI of it, and a deepfake of the same video and frame (ProDet)."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from benchmark.explain.faces import drawn_evenly, kinds_of
from config.errors import InputError
from config.load import YAML, load_config
from config.pseudofake import PseudoFakeConfig
from config.schema import DetectorConfig
from evaluation.organisation import KINDS
from evaluation.plots.sheets import StepRows, step_sheet
from preprocessing.samples import BrokenSampleError, Sample, open_faces
from training.errors import PseudoFakeError
from training.fakes import AlignedQuadruplet, targets

SHORT = {"sbi": KINDS[1]}


@dataclass(frozen=True, slots=True)
class Tuples:
    """Tuples as the batch recipe `aligned_quadruplet` makes them, without augmentation.

    Attributes:
        recipe: what makes them.
        chosen: (T,) the deepfakes that they are of.
        videos: (T,) the target's video of each.
        kinds: names of a tuple's images.
        source: which faces they are of, in words.
        seed: of the choice, and of the fakes of each.
    """

    recipe: AlignedQuadruplet
    chosen: npt.NDArray[np.int64]
    videos: npt.NDArray[np.object_]
    kinds: tuple[str, ...]
    source: str
    seed: int

    def images(self, number: int) -> list[Sample]:
        """The images of a tuple, in the order of `kinds`; they do not depend on which other tuples there are.

        Raises:
            InputError: a face cannot be read, or no fake can be made of it.
        """
        index = int(self.chosen[number])
        try:
            made = self.recipe.make(index, False, np.random.default_rng([self.seed, index]))
        except (PseudoFakeError, BrokenSampleError) as error:
            video, frame = self.recipe.stored.rows.loc[index, ["video_id", "frame"]]
            raise InputError(f"no tuple can be made for frame {frame} of video '{video}': {error}") from None
        return [member.face for member in made]


def open_tuples(
    dataset: str,
    data: Path,
    *,
    compression: str,
    split: str,
    most: int,
    seed: int,
    profile: str,
    pseudofake: str,
) -> Tuples:
    """Choose tuples of a preprocessed data set.

    Args:
        dataset: its name.
        data: folder of stores and manifests.
        compression: level of data sets that have several.
        split: of the data set.
        most: tuples, drawn evenly from the manipulations.
        seed: of the choice, and of the fakes of each.
        profile: name of the preprocessing profile.
        pseudofake: composition of the second image.

    Raises:
        InputError: the data set is not there, there are too few videos for partners, or no fake has its target.
    """
    faces = open_faces(data, [dataset], split, profile=profile, compression=compression, with_landmark=True)
    config = load_config(DetectorConfig, "prodet", ["use_data_augmentation=false"])
    config = config.model_copy(update={"pseudofake": load_config(PseudoFakeConfig, pseudofake)})
    recipe = AlignedQuadruplet(faces, config)
    target = targets(faces.rows)
    usable = np.flatnonzero(target >= 0)
    chosen = usable[drawn_evenly(kinds_of(faces.rows)[usable], most, np.random.default_rng(seed))]
    videos = faces.rows["video_id"].astype(str).to_numpy(object)[target[chosen]]
    composition = Path(pseudofake).stem if Path(pseudofake).suffix in YAML else pseudofake
    kinds = (KINDS[0], SHORT.get(pseudofake, composition), *KINDS[2:])
    return Tuples(recipe, chosen, videos, kinds, f"{dataset}, split {split}", seed)


def draw_tuples(tuples: Tuples) -> Figure:
    """A row for each tuple, beside it what deepfake it is of: ProDet's Figure 6."""
    rows = tuples.recipe.stored.rows.iloc[tuples.chosen]
    about = zip(rows["method"], rows["video_id"], rows["frame"], strict=True)
    labels = [f"{method}\n{PurePosixPath(video).name}\nframe {frame}" for method, video, frame in about]
    images = [[face.image for face in tuples.images(number)] for number in range(len(tuples.chosen))]
    caption = (
        f"{tuples.source}, drawn with seed {tuples.seed}, without augmentation; the real face is what the fakes "
        "beside it were blended into, which SBI may have changed before"
    )
    return step_sheet([StepRows("", images, labels)], tuples.kinds, caption)
