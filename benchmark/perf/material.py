"""What is measured on: scenes, a video and stored crops, all made of the embedded stills."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle, islice
from pathlib import Path

import cv2
import numpy as np

from benchmark.demo.build import STILLS
from benchmark.demo.encode import C23, write_video
from benchmark.demo.portraits import Portrait, find_pictures, read_portraits
from benchmark.demo.scene import compose_scene
from benchmark.perf.stage import Scale
from config.files import write_text
from config.load import load_config
from config.schema import DatasetConfig, DetectorConfig, Profile
from preprocessing.clips import Image
from preprocessing.encodings import ENCODINGS
from preprocessing.landmarks import Predictor
from preprocessing.pipeline import preprocess
from preprocessing.reconstruction.reconstructor import Reconstructor, enlarge
from preprocessing.reconstruction.run import reconstruct
from preprocessing.reconstruction.stored import ReconstructionModel
from preprocessing.samples import FaceSet, open_faces
from training import RECIPE

JAW = 0.25  # of the frame's height: how wide a face is in its scene
REDUCED = 2  # sides of a face are halved and doubled again where a network's reconstruction is wanted
DATASET = "DemoFF"
REAL, FAKE = "original_sequences/demo/c23", "manipulated_sequences/LandmarkSwap/c23"


@dataclass(frozen=True, slots=True)
class Material:
    """What the stages work on.

    Attributes:
        scenes: by the height of the frame, one person who moves about: BGR frames of 16:9.
        video: the first of these scenes, there and back, in H.264.
        faces: stored crops with landmarks, as many real as fake by name, each fake with the real face of its target,
            and each real face with what stands for its reconstructions; by the encoding of their store.
        folder: for what the stages write.
    """

    scenes: dict[int, list[Image]]
    video: Path
    faces: dict[str, FaceSet]
    folder: Path


def make_material(
    folder: Path, config: DetectorConfig, profile: Profile, predictor: Predictor, scale: Scale
) -> Material:
    """Make all of it below a folder."""
    pictures = find_pictures(STILLS)
    person = next(found for found in read_portraits(pictures[:8], predictor) if isinstance(found, Portrait))
    scenes = {height: _scene(person, height, scale.scene) for height in scale.heights}
    video = folder / "scene.mp4"
    shown = scenes[scale.heights[0]]
    there_and_back = islice(cycle(chain(shown, shown[-2:0:-1])), scale.video)
    write_video(video, np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in there_and_back]), C23)
    root, faces = folder / "stills", {}
    kinds = RECIPE[config.dataset_type].reconstructed_by(config)
    _lay_out(root, list(islice(cycle(pictures), scale.faces)))
    for encoding in ENCODINGS:
        data, stored = folder / encoding, profile.model_copy(update={"encoding": encoding})
        preprocess(load_config(DatasetConfig, DATASET), root, data, stored, predictor)
        if kinds:
            reconstruct(data, DATASET, [_stand_in(kind) for kind in kinds], profile=profile.name)
        with_landmark = config.with_landmark or RECIPE[config.dataset_type].needs_landmark
        faces[encoding] = open_faces(data, [DATASET], "train", profile=profile.name, with_landmark=with_landmark)
    return Material(scenes, video, faces, folder)


def _lay_out(root: Path, pictures: Sequence[Path]) -> None:
    """Videos of one frame in FaceForensics++'s tree: half of the pictures as reals, in pairs; of each pair both fakes.

    Args:
        root: of the tree.
        pictures: 4 for each pair.
    """
    pairs = [(f"{person:03}", f"{person + 1:03}") for person in range(0, len(pictures) // 2, 2)]
    for split, listed in (("train", pairs), ("val", []), ("test", [])):
        write_text(root / f"{split}.json", json.dumps(listed))
    reals = [f"{REAL}/{person}" for pair in pairs for person in pair]
    fakes = [f"{FAKE}/{'_'.join(order)}" for pair in pairs for order in (pair, pair[::-1])]
    for video, picture in zip((*reals, *fakes), pictures, strict=True):
        frame = root / video / "000.jpg"
        frame.parent.mkdir(parents=True)
        shutil.copy(picture, frame)


def _stand_in(kind: str) -> Reconstructor:
    """A face reduced and enlarged, without a network: training reads what is stored, whatever made it."""
    model = ReconstructionModel("reduced and enlarged", hashlib.sha256().hexdigest(), is_substitute=True)
    return Reconstructor(kind, model, partial(enlarge, lambda reduced: reduced, scale=REDUCED))


def _scene(person: Portrait, height: int, count: int) -> list[Image]:
    size, jaw = (height, height * 16 // 9 // 2 * 2), round(JAW * height)
    frames = compose_scene([person], [jaw], size, count, np.random.default_rng(0))
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames]
