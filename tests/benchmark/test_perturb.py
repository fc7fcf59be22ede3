"""`assay perturb` and `assay list perturbations`, as a user meets them."""

import gc
from pathlib import Path

import cv2
import pytest

from config.load import config_names
from config.perturbation import PerturbationSuite
from preprocessing.perturbations import PERTURBATION
from preprocessing.samples import open_faces
from preprocessing.store import FaceStore
from preprocessing.views import load_suite, read_views
from tests.faces import still

PLUGIN = '''
from preprocessing.perturbations import PERTURBATION, Perturbation

@PERTURBATION.register_module(module_name="upside_down")
class UpsideDown(Perturbation):
    """The image upside down."""

    def apply(self, image, rng):
        return image[::-1].copy()
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, label in enumerate(("real", "fake")):
        path = tmp_path / "media" / label / f"{number}.png"
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), still(number))
    return tmp_path / "media"


def test_frames_are_perturbed_beside_the_crops(assay, root: Path, tmp_path: Path):
    data = tmp_path / "data"
    where = ("--root", root, "--data", data, "--workers", 1)
    assert assay("preprocess", "custom", *where).code == 0
    answer = assay("perturb", "custom", *where, "--perturb", "h264")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1] == "custom: 5 perturbed crops each of 2 of 2 faces"
    store = FaceStore(data / "dfb" / "custom_lmdb")
    assert store.has("custom/real/perturbed/h264/h264_5_0/0/000.png")
    faces, suite = open_faces(data, ["custom"], "test"), load_suite("h264")
    assert len(read_views(faces, 0, suite, lambda sample: sample)[1]) == 6
    del faces, store
    gc.collect()

    (root / "real" / "0.png").unlink()
    answer = assay("perturb", "custom", *where, "--perturb", "h264", "--overwrite")
    assert answer.out.splitlines()[-2:] == [
        "custom: 5 perturbed crops each of 1 of 2 faces",
        "  skipped 1: its clip is not below --root",
    ]
    export = assay("data", "export", "custom", "--data", data, "--out", tmp_path / "out", "--dfb", "--slashes", "posix")
    assert export.code == 0, export.err
    exported = list(FaceStore(tmp_path / "out" / "custom_lmdb").keys())
    assert sorted(exported) == [
        "custom/fake/frames/1/000.png",
        "custom/fake/landmarks/1/000.npy",
        "custom/real/frames/0/000.png",
        "custom/real/landmarks/0/000.npy",
    ]


@pytest.mark.usefixtures("own_registry")
def test_a_perturbation_of_ones_own_is_listed_and_applied(assay, root: Path, tmp_path: Path):
    plugin, suite = tmp_path / "mine_upside.py", tmp_path / "mine.yaml"
    plugin.write_text(PLUGIN)
    suite.write_text("on: frame\nperturbations: {upside_down: [{}]}")
    assert "upside_down          The image upside down." in assay("list", "perturbations", "--plugin", plugin).out
    where = ("--root", root, "--data", tmp_path / "data", "--workers", 1)
    assert assay("preprocess", "custom", *where).code == 0
    answer = assay("perturb", "custom", *where, "--perturb", suite)
    assert answer.code == 0, answer.err
    faces = open_faces(tmp_path / "data", ["custom"], "test")
    clean, turned = read_views(faces, 0, load_suite(str(suite)), lambda sample: sample)[1]
    assert (clean != turned).any()


def test_suites_are_listed_with_their_perturbations_and_then_the_perturbations(assay):
    lines = assay("list", "perturbations").out.splitlines()
    suites = [line.split()[0] for line in lines if " suite: " in line]
    assert suites == config_names(PerturbationSuite)
    for name in suites:
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{name} "))
        assert lines[place + 1].split()[1:] == list(load_suite(name).levels)
    single = [line.split()[0] for line in lines[2 * len(suites) :]]
    assert set(single) == set(PERTURBATION.names())
