"""The demo's stand-ins for DF40 and DiFF: their layouts, their parts, and manipulations of whole pictures."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmark.demo import build
from benchmark.demo.animate import Clip, animate, perform
from benchmark.demo.build import STILLS, build_demo
from benchmark.demo.forge import expression_offsets
from benchmark.demo.portraits import Portrait, find_pictures, find_portrait, frame_face
from benchmark.demo.sets import DEMODF40_METHODS, DEMODIFF_METHODS
from benchmark.demo.targets import Forgery, forge_clip
from config.load import load_config
from config.schema import DatasetConfig, Profile
from preprocessing.integrity.check import check_integrity
from preprocessing.landmarks import find_predictor, load_predictor
from preprocessing.layouts import list_clips
from preprocessing.manifest import read_manifest
from preprocessing.parts import find_source
from preprocessing.pipeline import preprocess

SETS = ("DemoDF40", "DemoDiFF")
WHOLE = ("StillPuppet", *DEMODF40_METHODS["EFS"])
OF_FF, OF_CDF, OF_DIFF = 2, 3, 4
"""People, of sixteen: a pair of DemoFF's test split, those of DemoX's that are forged, and all of DemoX's."""


@pytest.fixture(scope="module")
def media(demo: Path, faces: Path) -> Path:
    """Both data sets, beside the demo's own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build, "_searched", None)  # the faces were found for the demo's own
        build_demo(demo, SETS, faces=faces, workers=2)
    return demo


def test_each_family_is_there_in_both_domains(media: Path):
    clips = list_clips(load_config(DatasetConfig, "DemoDF40"), media / "DemoDF40")
    assert {clip.split for clip in clips} == {"test"}
    methods = [method for family in DEMODF40_METHODS.values() for method in family]
    assert len(methods) == len(set(methods)) == 13
    expected = {f"DemoDF40-{name}_ff": OF_FF for name in ("real", *methods)}
    expected |= {f"DemoDF40-{name}_cdf": OF_CDF for name in ("real", *methods)}
    assert Counter(clip.class_name for clip in clips) == expected
    people = {(clip.class_name[-3:], clip.label): set() for clip in clips}
    for clip in clips:
        people[clip.class_name[-3:], clip.label].add(clip.identity_target)
        assert (clip.identity_source not in ("", clip.identity_target)) == bool(clip.label)
    assert people["_ff", 0] == people["_ff", 1]
    assert people["cdf", 0] == people["cdf", 1] == {"id0", "id1", "id2"}


def test_each_kind_of_diff_is_there(media: Path):
    clips = list_clips(load_config(DatasetConfig, "DemoDiFF"), media / "DemoDiFF")
    methods = [method for kind in DEMODIFF_METHODS.values() for method in kind]
    assert Counter(clip.method for clip in clips) == dict.fromkeys(("real", *methods), OF_DIFF)
    assert {(clip.split, clip.media) for clip in clips} == {("test", "image")}


@pytest.mark.parametrize("name", SETS)
def test_nothing_speaks_against_them_and_every_part_has_faces_of_both_labels(name: str, media: Path, tmp_path: Path):
    config = load_config(DatasetConfig, name)
    assert check_integrity(config, media / name).valid
    rows = preprocess(config, media / name, tmp_path, load_config(Profile, "dfb", ["num_frames=1"]), find_predictor())
    assert (rows["skip"] == "").all()
    for part in config.parts:
        source = find_source(tmp_path, part)
        own = read_manifest(source.manifest)
        assert set(own.loc[own["class_name"].isin(source.classes or ()), "label"]) == {0, 1}


@pytest.fixture(scope="module")
def predictor():
    """The landmark predictor, loaded."""
    return load_predictor(find_predictor())


@pytest.fixture(scope="module")
def portraits(predictor) -> list[Portrait]:
    pictures = [np.ascontiguousarray(picture) for picture in map(build.read_picture, find_pictures(STILLS)[:2])]
    found = [find_portrait(picture, predictor) for picture in pictures]
    return [frame_face(portrait, 192) for portrait in found if portrait is not None]


@pytest.fixture(scope="module")
def clip(portraits: list[Portrait]) -> Clip:
    return animate(portraits[0], perform(4, np.random.default_rng(0)))


def forged(method: str, clip: Clip, portraits: list[Portrait]) -> np.ndarray:
    driving = animate(portraits[1], perform(len(clip.frames), np.random.default_rng(1)))
    expression = expression_offsets(driving.track, driving.neutral)
    frames, masks = forge_clip(clip, Forgery(method, portraits[1], expression, (7,), Path("a.mp4")))
    assert frames.shape == clip.frames.shape
    assert frames.flags.c_contiguous
    assert masks.shape == clip.frames.shape[:3]
    assert (masks == 255).all()
    return frames


@pytest.mark.parametrize("method", WHOLE)
def test_a_whole_picture_is_made_anew_and_keeps_a_face_where_it_was(
    method: str, clip: Clip, portraits: list[Portrait], predictor
):
    frames = forged(method, clip, portraits)
    np.testing.assert_array_equal(forged(method, clip, portraits), frames)
    for frame, before, points in list(zip(frames, clip.frames, clip.track, strict=True))[::2]:
        assert (frame != before).any(axis=-1).mean() > 0.3
        seen = find_portrait(frame, predictor)
        assert seen is not None
        eyes = np.linalg.norm(points[45] - points[36])
        assert np.linalg.norm(seen.landmarks[27:36] - points[27:36], axis=1).mean() < 0.2 * eyes


def test_a_chimera_is_its_own_mirror_image(clip: Clip, portraits: list[Portrait]):
    for frame, points in zip(forged("ChimericFace", clip, portraits), clip.track, strict=True):
        middle = round(float(points[27:31, 0].mean()))
        reach = min(middle, frame.shape[1] - 1 - middle)
        around = frame[:, middle - reach : middle + reach + 1]
        np.testing.assert_array_equal(around, around[:, ::-1])


def test_a_codebook_keeps_the_mean_of_each_patch_and_little_else(clip: Clip, portraits: list[Portrait]):
    frames = forged("PatchCodebook", clip, portraits).astype(float)
    before = clip.frames.astype(float)
    means, means_before = (x.reshape(4, 48, 4, 48, 4, 3).mean(axis=(2, 4)) for x in (frames, before))
    within = (means_before > 20).all(axis=-1) & (means_before < 235).all(axis=-1)  # where nothing is clipped
    assert np.abs(means - means_before)[within].mean() < 0.6
    details = (frames[0].reshape(48, 4, 48, 4, 3) - means[0][:, None, :, None]).swapaxes(1, 2).reshape(-1, 48)
    own = (before[0].reshape(48, 4, 48, 4, 3) - means_before[0][:, None, :, None]).swapaxes(1, 2).reshape(-1, 48)
    assert np.square(details - own).sum() < 0.6 * np.square(own).sum()
