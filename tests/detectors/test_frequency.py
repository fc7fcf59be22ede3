"""Cosine bases, bands and phases against scipy, closed forms and images whose phase is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dctn, idctn

from config.errors import InputError
from detectors.frequency import FrequencyBands, band, dct_basis, phase_image


def images(size: int, count: int = 2, seed: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def unlearnt(size: int) -> FrequencyBands:
    bands = FrequencyBands(size)
    for one in bands.filters:
        torch.nn.init.zeros_(one.learnable)
    return bands


@pytest.mark.parametrize("size", [5, 16])
def test_the_basis_gives_scipys_dct(size):
    image = images(size)[0, 0].double()
    basis = dct_basis(size).double()
    assert np.allclose(basis @ image @ basis.T, dctn(image.numpy(), norm="ortho"), atol=1e-6)
    assert torch.allclose(basis @ basis.T, torch.eye(size, dtype=torch.float64), atol=1e-6)


def test_the_basis_of_two_places_by_hand():
    half = 0.5**0.5
    assert torch.allclose(dct_basis(2), torch.tensor([[half, half], [half, -half]]))


def test_a_band_has_the_diagonals_from_its_start_to_before_its_end():
    assert band(1, 3, 4).tolist() == [[0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("size", [64, 160, 256])
def test_the_bands_have_a_sixteenth_an_eighth_and_the_rest_of_the_spectrum(size):
    low, middle, high, everything = (one.base for one in FrequencyBands(size).filters)
    assert torch.equal(low + middle + high, everything)
    assert everything.mean() == 1
    assert float(low.mean()) == pytest.approx(1 / 16, rel=0.05)
    assert float((low + middle).mean()) == pytest.approx(1 / 8, rel=0.05)


def test_unlearnt_bands_are_those_that_scipy_cuts_out():
    size = 16  # 16 / 2.82 is 5.67, so the low band ends before the diagonal 5, the middle one before 8
    image = images(size, 1)
    made = unlearnt(size)(image).detach()
    assert made.shape == (1, 12, size, size)
    diagonal = np.add.outer(np.arange(size), np.arange(size))
    coefficients = dctn(image[0].double().numpy(), axes=(1, 2), norm="ortho")
    for number, (start, end) in enumerate([(0, 5), (5, 8), (8, 32), (0, 32)]):
        kept = coefficients * ((diagonal >= start) & (diagonal < end))
        expected = idctn(kept, axes=(1, 2), norm="ortho")
        assert np.allclose(made[0, 3 * number : 3 * number + 3], expected, atol=1e-5)
    assert torch.allclose(made[:, :9].unflatten(1, (3, 3)).sum(1), image, atol=1e-5)
    assert torch.allclose(made[:, 9:], image, atol=1e-5)


def test_a_learnt_weight_is_the_papers_squashed_one_and_acts_on_its_frequency_alone():
    size, weight = 8, 1.5
    bands = unlearnt(size)
    with torch.no_grad():
        bands.filters[0].learnable[5, 6] = weight  # outside the low band
    wave = torch.outer(dct_basis(size)[5], dct_basis(size)[6]).expand(1, 3, size, size)
    made = bands(wave).detach()
    expected = (1 - np.exp(-weight)) / (1 + np.exp(-weight))
    assert torch.allclose(made[:, :3], expected * wave, atol=1e-5)
    assert torch.allclose(made[:, 6:9], wave, atol=1e-5)


def test_bands_stay_float32_where_autocast_would_round():
    bands, image = unlearnt(32), images(32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = bands(image)
    assert made.dtype == torch.float32
    assert torch.equal(made, bands(image))


def test_images_of_another_size_are_refused():
    with pytest.raises(InputError, match="of 32 x 32 frequencies, so expected images of as many pixels, not 32 x 48"):
        FrequencyBands(32)(torch.zeros(1, 3, 32, 48))


def test_the_phase_of_a_single_bright_pixel_is_that_pixel():
    image = torch.zeros(1, 3, 8, 12)
    image[0, :, 2, 5] = 0.7
    assert torch.allclose(phase_image(image)[0, 0], (image[0, 0] > 0).float(), atol=1e-6)


def test_a_symmetric_blur_does_not_show_in_the_phase():
    """Its spectrum is positive: (2 + cos) of each frequency, so that the amplitude alone changes."""
    image = torch.zeros(1, 3, 8, 8)
    blur = torch.outer(torch.tensor([1.0, 4.0, 1.0]), torch.tensor([1.0, 4.0, 1.0]))
    image[0, :, 2:5, 3:6] = blur
    expected = torch.zeros(8, 8)
    expected[3, 4] = 1
    assert torch.allclose(phase_image(image)[0, 0], expected, atol=1e-6)


def test_two_pixels_by_hand():
    """[3, 1] has the spectrum [4, 2], so phases 0, 0 and the image [1, 0]; [1, 3] has [4, -2], and the image [0, 1]."""
    rows = torch.tensor([[3.0, 1.0], [1.0, 3.0]]).view(2, 1, 1, 2)
    assert torch.allclose(phase_image(rows).flatten(1), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), atol=1e-6)


@given(st.floats(0.1, 10), st.integers(0, 15), st.integers(0, 15))
def test_contrast_does_not_show_in_the_phase_and_a_shift_moves_it(contrast, down, right):
    image = images(16)
    moved = contrast * image.roll((down, right), (2, 3))
    assert torch.allclose(phase_image(moved), phase_image(image).roll((down, right), (2, 3)), atol=1e-4)


def test_the_squares_of_a_phase_image_sum_to_one():
    squares = phase_image(images(20)).square().sum((1, 2, 3))
    assert torch.allclose(squares, torch.ones(2), atol=1e-5)
    assert phase_image(images(20)).shape == (2, 1, 20, 20)
