"""Crops of perturbed frames: cut where the clean crops were, beside them in the store, made once and read back."""

import gc
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from config.errors import InputError
from config.load import load_config
from config.registry import load_plugin
from config.schema import DatasetConfig, Profile
from preprocessing import pipeline
from preprocessing.landmarks import find_predictor
from preprocessing.loose import make_cropper
from preprocessing.manifest import manifest_sha256, read_manifest
from preprocessing.perturbed import run
from preprocessing.perturbed.run import ABSENT, MOVED, Perturbed, perturb
from preprocessing.perturbed.stored import LOST
from preprocessing.pipeline import manifest_path, preprocess
from preprocessing.recompression import recompress
from preprocessing.samples import BrokenSampleError, FaceSet, Sample, open_faces
from preprocessing.shards import Shard, merge_shards
from preprocessing.store import FaceStore
from preprocessing.views import Suite, Variant, load_suite, read_views, stored_views
from tests.faces import still
from tests.media import write_video

CUSTOM = load_config(DatasetConfig, "custom")
PROFILE = load_config(Profile, "dfb", ["num_frames=2"])
PREDICTOR = find_predictor(environ={})
CROPPER = cache(make_cropper)
H264 = "on: frame\nperturbations: {h264: [{crf: 20}, {crf: 45}]}"
SAME = "on: frame\nperturbations: {contrast: [{factor: 1}]}"
PLUGIN = '''
from preprocessing.perturbations import PERTURBATION, Perturbation

@PERTURBATION.register_module(module_name="darker_by_lot")
class Darker(Perturbation):
    """Each level halved in about half of the draws."""

    is_random = True

    def apply(self, image, rng):
        return image // 2 if rng.random() < 0.5 else image.copy()
'''


def talking(number: int, frames: int = 5) -> np.ndarray:
    image = cv2.resize(still(number), (240, 240))
    return np.stack([np.roll(image, 4 * step, axis=1) for step in range(frames)])


@pytest.fixture(autouse=True)
def models_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (run, pipeline):
        monkeypatch.setattr(module, "make_cropper", CROPPER)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, another one, a folder of frames and a still."""
    root = tmp_path_factory.mktemp("media")
    write_video(root / "real" / "anna.mp4", talking(0))
    write_video(root / "fake" / "bert.mp4", talking(1))
    (root / "fake" / "folder").mkdir()
    for number, frame in enumerate(talking(2, 4)):
        cv2.imwrite(str(root / "fake" / "folder" / f"{10 * number:03d}.png"), frame)
    cv2.imwrite(str(root / "real" / "still.png"), cv2.resize(still(3), (241, 239)))
    return root


@pytest.fixture(scope="module")
def crops(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    preprocess(CUSTOM, root, data, PROFILE, PREDICTOR)
    return data


@pytest.fixture
def data(crops: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(crops, tmp_path / "data"))


@pytest.fixture(scope="module")
def made(crops: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Suite]:
    """The stored crops with those of a suite; only read."""
    folder = tmp_path_factory.mktemp("made")
    data, mine = Path(shutil.copytree(crops, folder / "data")), suite(folder)
    assert make(data, root, mine) == Perturbed(7, 7, {})
    return data, mine


def suite(folder: Path, text: str = H264, name: str = "mine") -> Suite:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return load_suite(str(path))


def make(data: Path, root: Path, of: Suite, **options) -> Perturbed:
    return perturb(CUSTOM, "custom", root, data, of, PREDICTOR, **options)


def faces_of(data: Path, profile: str = "dfb") -> FaceSet:
    return open_faces(data, ["custom"], "test", profile=profile)


def whole(sample: Sample) -> Sample:
    return sample


def values(data: Path, profile: str = "dfb") -> dict[str, bytes]:
    store = FaceStore(data / profile / "custom_lmdb")
    return {key: store.get(key) for key in store.keys()}  # noqa: SIM118


@pytest.mark.parametrize("name", ["dfb", "sbi"])
def test_what_is_not_changed_is_cut_out_as_the_clean_crop_to_the_bit(root, tmp_path, name):
    profile = load_config(Profile, name, ["num_frames=2"])
    preprocess(CUSTOM, root, tmp_path, profile, PREDICTOR)
    same = suite(tmp_path, SAME)
    made = make(tmp_path, root, same, profile=name)
    assert (made.done, made.skips) == (made.faces, {})
    faces = faces_of(tmp_path, name)
    assert len(faces) == made.faces == 7
    for index in range(len(faces)):
        sample, (clean, perturbed) = read_views(faces, index, same, whole)
        np.testing.assert_array_equal(clean, sample.image)
        np.testing.assert_array_equal(perturbed, clean)


def test_a_loose_crop_is_cut_alike_in_all_views(root, tmp_path):
    preprocess(CUSTOM, root, tmp_path, load_config(Profile, "sbi", ["num_frames=1"]), PREDICTOR)
    strong = suite(tmp_path, "on: frame\nperturbations: {contrast: [{factor: 0}]}")
    make(tmp_path, root, strong, profile="sbi")

    def corner(sample: Sample) -> Sample:
        return Sample(sample.image[:7, :9])

    views = read_views(faces_of(tmp_path, "sbi"), 0, strong, corner)[1]
    assert [view.shape for view in views] == [(7, 9, 3)] * 2
    assert views[0].std() > 0
    assert views[1].std() == 0


def test_a_clip_is_recompressed_as_a_whole_and_cut_by_the_clean_frames_matrix(root, made):
    data, mine = made
    media = cv2.VideoCapture(str(root / "real" / "anna.mp4"))
    frames = [media.read()[1] for _ in range(5)]
    rgb = [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames]
    faces = faces_of(data)
    index = next(i for i in range(len(faces)) if faces.key(i) == "custom/real/frames/anna/004.png")
    cropper = CROPPER(PROFILE, PREDICTOR)
    first = cropper.crop(frames[0])
    matrix = cropper.crop(frames[4], last=first.box).matrix
    _, (clean, good, bad) = read_views(faces, index, mine, whole)
    for crf, view in ((20, good), (45, bad)):
        again = list(recompress(rgb, crf))[4]
        np.testing.assert_array_equal(view, cv2.warpAffine(again, matrix, (256, 256)))
    change = [np.abs(view.astype(int) - clean).mean() for view in (good, bad)]
    assert 0 < change[0] < change[1] < 12


def test_a_still_is_a_clip_of_one_frame(root, made):
    data, mine = made
    faces = faces_of(data)
    index = next(i for i in range(len(faces)) if "still" in faces.key(i))
    picture = cv2.imread(str(root / "real" / "still.png"))
    assert picture.shape[0] % 2 == 1
    matrix = CROPPER(PROFILE, PREDICTOR).crop(picture).matrix
    (once,) = recompress([cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)], 45)
    view = read_views(faces, index, mine, whole)[1][2]
    np.testing.assert_array_equal(view, cv2.warpAffine(once, matrix, (256, 256)))


def test_all_else_in_store_and_manifest_stays(root, data, tmp_path):
    manifest = manifest_path(data, "dfb", "custom")
    before, rows = values(data), manifest_sha256(read_manifest(manifest))
    make(data, root, suite(tmp_path))
    after = values(data)
    assert {key: after[key] for key in before} == before
    new = sorted(after.keys() - before.keys())
    assert len(new) == 7 * 2
    assert new[:3] == [
        "custom/fake/perturbed/mine/h264_1_0/bert/000.png",
        "custom/fake/perturbed/mine/h264_1_0/bert/004.png",
        "custom/fake/perturbed/mine/h264_1_0/folder/000.png",
    ]
    preprocess(CUSTOM, root, data, PROFILE, PREDICTOR)  # still takes the store for its own
    assert values(data) == after
    assert manifest_sha256(read_manifest(manifest)) == rows


def test_each_stored_value_is_read_once(made, monkeypatch):
    data, mine = made
    read = []
    get = FaceStore.get
    monkeypatch.setattr(FaceStore, "get", lambda self, key: read.append(key) or get(self, key))
    read_views(faces_of(data), 0, mine, whole)
    crops = [key for key in read if key.endswith(".png")]
    assert len(crops) == len(set(crops)) == 3


def test_a_run_that_dies_leaves_whole_clips_and_the_next_goes_on(root, data, tmp_path, monkeypatch):
    mine = suite(tmp_path)
    seen = []

    def dies(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(data, root, mine, on_progress=dies)
    assert seen == [(1, 4), (2, 4)]
    made = {key: value for key, value in values(data).items() if "/perturbed/" in key}
    assert len({Path(key).parent.name for key in made}) == 2
    faces = faces_of(data)
    with pytest.raises(InputError, match=r"of 7 faces lack crops .*'assay perturb custom --root DIR --perturb mine'"):
        stored_views(faces, mine)
    del faces
    gc.collect()  # what an error has seen is still open, and a store is opened once
    worked = []
    clip = run.perturb_clip
    monkeypatch.setattr(run, "perturb_clip", lambda job, **rest: worked.append(job) or clip(job, **rest))
    assert make(data, root, mine).done == 7
    assert len(worked) == 2
    after = values(data)
    assert {key: after[key] for key in made} == made
    stored_views(faces_of(data), mine)
    assert make(data, root, mine).done == 7
    assert len(worked) == 2


def test_a_suite_that_has_changed_is_refused_until_it_is_overwritten(root, data, tmp_path):
    make(data, root, suite(tmp_path))
    make(data, root, suite(tmp_path, SAME, "other"))
    before = values(data)
    changed = suite(tmp_path, H264.replace("45", "40"))
    with pytest.raises(InputError, match=r"suite mine in .* --overwrite"):
        make(data, root, changed)
    faces = faces_of(data)
    with pytest.raises(InputError, match="another suite of the name mine"):
        read_views(faces, 0, changed, whole)
    with pytest.raises(InputError, match="another suite of the name mine"):
        stored_views(faces, changed)
    del faces
    gc.collect()  # what an error has seen is still open, and a store is opened once
    assert values(data) == before
    assert make(data, root, changed, overwrite=True).done == 7
    after = values(data)
    assert after.keys() == before.keys()
    moved = {key for key in after if after[key] != before[key]}
    assert {Path(key).parts[-3] for key in moved} == {"h264_2_0"}


def test_faces_that_are_not_found_again_are_counted_and_broken(root, data, tmp_path):
    other = Path(shutil.copytree(root, tmp_path / "other"))
    write_video(other / "real" / "anna.mp4", talking(0)[:, :, ::-1])
    write_video(other / "fake" / "bert.mp4", [7] * 5)
    (other / "real" / "still.png").unlink()
    mine = suite(tmp_path)
    made = make(data, other, mine)
    assert made.done == 2
    assert made.skips == {MOVED: 2, run.NOT_FOUND: 2, ABSENT: 1}
    faces = faces_of(data)
    for index in range(len(faces)):
        key = faces.key(index)
        if "still" in key:
            with pytest.raises(InputError, match=r"no value under .*still.*makes what is missing"):
                read_views(faces, index, mine, whole)
        elif "folder" in key:
            assert len(read_views(faces, index, mine, whole)[1]) == 3
        else:
            with pytest.raises(BrokenSampleError):
                read_views(faces, index, mine, whole)
    del faces
    gc.collect()  # what an error has seen is still open, and a store is opened once
    assert list(values(data).values()).count(LOST) == 4 * 2
    assert make(data, root, mine).done == 7  # with the right media all is made


def test_an_unreadable_clip_is_counted_with_its_reason(root, data, tmp_path):
    other = Path(shutil.copytree(root, tmp_path / "other"))
    (other / "real" / "anna.mp4").write_bytes(b"hello")
    cv2.imwrite(str(other / "fake" / "folder" / "020.png"), np.zeros((9, 9, 3), np.uint8))
    made = make(data, other, suite(tmp_path))
    assert made.skips == {"unreadable media: not a video": 2, "unreadable media: frames of different sizes": 2}


@pytest.mark.usefixtures("own_registry")
def test_shards_get_theirs_each_and_workers_and_plugins_change_nothing(root, tmp_path):
    plugin = tmp_path / "darker.py"
    plugin.write_text(PLUGIN)
    load_plugin(plugin)
    half = suite(tmp_path, "on: frame\ndraws: 6\nperturbations: {darker_by_lot: [{}], gaussian_noise: [{variance: 9}]}")
    for shard in (Shard(1, 2), Shard(2, 2)):
        preprocess(CUSTOM, root, tmp_path, PROFILE, PREDICTOR, shard=shard)
    merge_shards(manifest_path(tmp_path, "dfb", "custom"))
    assert make(tmp_path, root, half, workers=2).done == 7
    faces = faces_of(tmp_path)
    pixels = [read_views(faces, index, half, whole)[1] for index in range(len(faces))]
    dark = [[bool(view.mean() < 0.7 * views[0].mean()) for view in views[1:7]] for views in pixels]
    assert {True, False} <= {one for face in dark for one in face}
    assert len({tuple(face) for face in dark}) > 1
    folders = [tmp_path / "dfb" / "shards" / "custom" / f"{number}-of-2_lmdb" for number in (1, 2)]
    first = [{key: FaceStore(path).get(key) for key in FaceStore(path).keys()} for path in folders]  # noqa: SIM118
    del faces
    make(tmp_path, root, half, overwrite=True)
    assert first == [{key: FaceStore(path).get(key) for key in FaceStore(path).keys()} for path in folders]  # noqa: SIM118


def test_what_cannot_be_made_is_said_before_anything_is_done(root, data, tmp_path):
    empty = tmp_path / "empty"
    write_video(empty / "real" / "nobody.mp4", [1, 2])
    mine = suite(tmp_path)
    before = values(data)
    for message, asks in {
        "suite levels is on stored crops": lambda: make(data, root, load_suite("levels")),
        "none of the clips of custom, split 'test', is below": lambda: make(data, empty, mine),
        "no such folder": lambda: make(data, tmp_path / "nowhere", mine),
        "has nothing in split 'train'": lambda: make(data, root, mine, split="train"),
        "another predictor sha256": lambda: perturb(CUSTOM, "custom", root, data, mine, replace(PREDICTOR, sha256="0")),
    }.items():
        with pytest.raises(InputError, match=message):
            asks()
    assert values(data) == before
    faces = faces_of(data)
    with pytest.raises(InputError, match="no perturbed crops of suite mine; make them with 'assay perturb custom"):
        read_views(faces, 0, mine, whole)
    assert mine.variants[1] == Variant("h264", 1, 0)
