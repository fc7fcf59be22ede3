import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from config.errors import InputError
from config.load import config_names, load_config
from config.perturbation import CLEAN, PerturbationSuite
from preprocessing.perturbations import PERTURBATION, ClipPerturbation
from preprocessing.views import UNPERTURBED, Variant, load_suite
from tests.faces import still

LEVELS = load_suite("levels")


@pytest.fixture(scope="module")
def image():
    return cv2.cvtColor(cv2.resize(still(), (256, 256)), cv2.COLOR_BGR2RGB)


def test_first_view_is_the_image_itself(image):
    assert LEVELS.variants[0] == UNPERTURBED == (CLEAN, 0, 0)
    assert LEVELS.perturb(image, "a/b.png", UNPERTURBED) is image


def test_levels_has_every_perturbation_of_a_crop():
    of_crops = {name for name in PERTURBATION.names() if not issubclass(PERTURBATION[name], ClipPerturbation)}
    assert set(LEVELS.levels) == of_crops
    assert {len(levels) for levels in LEVELS.levels.values()} == {5}


@pytest.mark.parametrize("name", LEVELS.levels)
def test_perturbation_grows_with_its_level(image, name):
    keys = [f"{number}.png" for number in range(30 if PERTURBATION[name].is_random else 1)]
    views = [[LEVELS.perturb(image, key, Variant(name, level, 0)) for key in keys] for level in range(1, 6)]
    change = [np.abs(np.array(view).astype(int) - image).mean() for view in views]
    assert change[0] > 0
    assert change == sorted(set(change))


def test_unknown_suite_or_perturbation_is_refused(tmp_path):
    with pytest.raises(InputError, match="levels"):
        load_suite("level")
    file = tmp_path / "mine.yaml"
    file.write_text("perturbations: {gausian_blur: [{size: 3}]}")
    with pytest.raises(InputError, match="gaussian_blur"):
        load_suite(str(file))
    file.write_text("perturbations: {gaussian_blur: [{size: 3}, {sise: 3}]}")
    with pytest.raises(InputError, match=r"level 2.*size"):
        load_suite(str(file))


def test_suite_of_a_file_has_the_files_name_and_other_pixels_another_hash(tmp_path):
    files = [tmp_path / "mine.yaml", tmp_path / "other.yaml"]
    for file, size in zip(files, (3, 5), strict=True):
        file.write_text(f"perturbations: {{gaussian_blur: [{{size: {size}}}]}}")
    mine, other = (load_suite(str(file)) for file in files)
    assert mine.name == "mine"
    assert mine.sha256 != other.sha256


@pytest.mark.parametrize("name", config_names(PerturbationSuite))
def test_shipped_suites_say_whose_they_are_and_what_they_assume(name):
    suite = load_suite(name)
    assert suite.config.title
    assert suite.config.source
    assert len(suite.variants) == len(set(suite.variants))


def test_suites_of_the_papers_have_their_parameters():
    table4 = load_config(PerturbationSuite, "prodet_table4")
    assert table4.perturbations == {
        "block_wise": [{"ratio": 0.1, "grid": 4}],
        "gaussian_noise": [{"variance": [10, 50]}],
        "shift": [{"pixels": [-50, 50]}],
    }
    assert len(load_suite("prodet_table4").variants) == 1 + 3 * 10
    assert load_config(PerturbationSuite, "adfd_table10").perturbations == {
        "resize": [{"size": 256}, {"size": 128}],
        "gaussian_blur": [{"size": 3}, {"size": 5}],
        "jpeg": [{"quality": 100}, {"quality": 50}],
    }
    h264 = load_suite("h264")
    assert h264.config.on == "frame"
    assert [level.crf for level in h264.levels["h264"]] == [23, 28, 33, 38, 43]
    assert list(load_suite("fia_usa_figure3").levels) == ["gaussian_blur", "block_wise", "contrast", "jpeg"]
    assert [len(levels) for levels in load_suite("prodet_figure5").levels.values()] == [4, 4, 4]


def pixels_of_a_suite() -> str:
    """A hash of all views of a made-up crop under two keys, and of a made-up clip."""
    suite, digest = load_suite("prodet_table4"), hashlib.sha256()
    ramp = np.arange(48 * 48 * 3).reshape(48, 48, 3).astype(np.uint8)
    for key in ("a.png", "b.png"):
        for variant in suite.variants:
            digest.update(suite.perturb(ramp, key, variant).tobytes())
    clips = load_suite("h264")
    for variant in clips.variants[1:]:
        for frame in clips.perturb_clip([ramp, ramp[::-1], ramp.transpose(1, 0, 2)], "a", variant):
            digest.update(frame.tobytes())
    return digest.hexdigest()


def test_another_process_draws_the_same_pixels_and_another_draw_or_key_others():
    code = "from tests.preprocessing.test_views import pixels_of_a_suite; print(pixels_of_a_suite())"
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == pixels_of_a_suite()
    suite = load_suite("prodet_table4")
    ramp = np.arange(48 * 48 * 3).reshape(48, 48, 3).astype(np.uint8)
    views = [suite.perturb(ramp, key, variant).tobytes() for key in "ab" for variant in suite.variants if variant.draw]
    noisy = [
        view
        for view, variant in zip(views, 2 * [v for v in suite.variants if v.draw], strict=True)
        if variant.perturbation == "gaussian_noise"
    ]
    assert len(set(noisy)) == len(noisy)


def test_what_needs_the_whole_clip_is_refused_on_crops(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("on: crop\nperturbations: {h264: [{crf: 30}]}")
    with pytest.raises(InputError, match=r"h264 changes whole clips.*expected 'on: frame'"):
        load_suite(str(file))
    file.write_text("on: frame\nperturbations: {h264: [{crf: 30}], jpeg: [{quality: 30}]}")
    assert load_suite(str(file)).config.on == "frame"
