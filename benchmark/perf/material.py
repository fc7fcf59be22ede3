"""What is measured on: scenes, a video and stored crops, all made of the embedded stills."""

import shutil
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

import cv2
import numpy as np

from benchmark.demo.build import STILLS
from benchmark.demo.encode import C23, write_video
from benchmark.demo.portraits import Portrait, find_pictures, read_portraits
from benchmark.demo.scene import compose_scene
from benchmark.perf.stage import Scale
from config.load import load_config
from config.schema import DatasetConfig, DetectorConfig, Profile
from preprocessing.clips import Image
from preprocessing.encodings import ENCODINGS
from preprocessing.landmarks import Predictor
from preprocessing.pipeline import preprocess
from preprocessing.samples import FaceSet, open_faces
from training import RECIPE

JAW = 0.25  # of the frame's height: how wide a face is in its scene
DATASET = "custom"


@dataclass(frozen=True, slots=True)
class Material:
    """What the stages work on.

    Attributes:
        scenes: by the height of the frame, one person who moves about: BGR frames of 16:9.
        video: the first of these scenes, there and back, in H.264.
        faces: stored crops with landmarks, as many real as fake by name; by the encoding of their store.
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
    root = folder / "stills"
    for number, picture in enumerate(islice(cycle(pictures), scale.faces)):
        target = root / "train" / ("real", "fake")[number % 2] / f"{number:03}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, target)
    faces = {}
    for encoding in ENCODINGS:
        data, stored = folder / encoding, profile.model_copy(update={"encoding": encoding})
        preprocess(load_config(DatasetConfig, DATASET), root, data, stored, predictor)
        with_landmark = config.with_landmark or RECIPE[config.dataset_type].needs_landmark
        faces[encoding] = open_faces(data, [DATASET], "train", profile=profile.name, with_landmark=with_landmark)
    return Material(scenes, video, faces, folder)


def _scene(person: Portrait, height: int, count: int) -> list[Image]:
    size, jaw = (height, height * 16 // 9 // 2 * 2), round(JAW * height)
    frames = compose_scene([person], [jaw], size, count, np.random.default_rng(0))
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames]
