import numpy as np
import pytest

from config.errors import InputError
from config.perturbation import CLEAN
from preprocessing.perturbations import PERTURBATION
from preprocessing.views import UNPERTURBED, Variant, load_suite
from tests.faces import still

LEVELS = load_suite("levels")


@pytest.fixture(scope="module")
def image():
    return still()


def test_first_view_is_the_image_itself(image):
    assert LEVELS.variants[0] == UNPERTURBED == (CLEAN, 0, 0)
    assert LEVELS.perturb(image, "a/b.png", UNPERTURBED) is image


@pytest.mark.parametrize("name", PERTURBATION.names())
def test_perturbation_grows_with_its_level(image, name):
    views = [LEVELS.perturb(image, "a/b.png", Variant(name, level, 0)) for level in range(1, 6)]
    change = [np.abs(view.astype(int) - image).mean() for view in views]
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
