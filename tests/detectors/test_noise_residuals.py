"""The filters of the spatial rich model on pictures whose differences are known, and against OpenCV."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from detectors.noise_residuals import LIMIT, FeatureResiduals, ImageResiduals, srm_kernels

INSIDE = (..., slice(2, -2), slice(2, -2))  # where no kernel reaches over the border


def of_picture(values: torch.Tensor) -> torch.Tensor:
    """Residuals (3, H - 4, W - 4), inside, of a picture (H, W) in one colour of three; the other two are black."""
    image = torch.zeros(1, 3, *values.shape)
    image[0, 1] = values
    return ImageResiduals(3)(image)[0][INSIDE]


def places() -> tuple[torch.Tensor, torch.Tensor]:
    axis = torch.arange(-4.0, 5.0) / 4
    return torch.meshgrid(axis, axis, indexing="ij")


def test_each_kernel_takes_a_pixel_from_what_those_around_it_foretell():
    kernels = srm_kernels()
    assert torch.equal(kernels[:, 2, 2], -torch.ones(3))
    assert torch.allclose(kernels.sum((1, 2)), torch.zeros(3), atol=1e-6)


def test_a_plane_has_no_residuals():
    y, x = places()
    assert torch.allclose(of_picture(2 + 3 * x - y), torch.zeros(3, 5, 5), atol=1e-6)


def test_residuals_of_polynomials_are_their_differences():
    y, x = places()
    step = 1 / 4
    # The second difference of x^2 is 2 step^2 along a row; the squares' rows and columns add up to 0.
    along_row = of_picture(x**2)
    assert torch.allclose(along_row[2], torch.full((5, 5), step**2), atol=1e-6)
    assert torch.allclose(along_row[:2], torch.zeros(2, 5, 5), atol=1e-6)
    assert torch.allclose(of_picture(y**3), torch.zeros(3, 5, 5), atol=1e-6)
    # Of x^2 y^2 that of 3x3 is the product of both second differences by -1/4.
    assert torch.allclose(of_picture(x**2 * y**2)[0], torch.full((5, 5), -(step**4)), atol=1e-6)


def test_a_dot_of_one_colour_answers_with_the_kernels_and_those_of_more_colours_add_up():
    image = torch.zeros(1, 3, 9, 9)
    image[0, 2, 4, 4] = 1
    dot = ImageResiduals(3)(image)[0, :, 2:7, 2:7]
    assert torch.allclose(dot, srm_kernels(), atol=1e-6)  # which are symmetric
    image[0, 0, 4, 4] = 1
    assert torch.allclose(ImageResiduals(3)(image)[0, :, 2:7, 2:7], 2 * srm_kernels(), atol=1e-6)


def test_residuals_are_cut_off():
    image = torch.zeros(1, 3, 9, 9)
    image[..., 4, 4] = 1.5  # -4.5 in the middle, of three colours
    residuals = ImageResiduals(3)(image)
    assert residuals[0, :, 4, 4].tolist() == [-LIMIT] * 3
    assert float(residuals.max()) == pytest.approx(1.5 * 3 * 8 / 12)


def test_each_channel_of_a_feature_map_passes_all_three_kernels():
    maps = torch.randn(2, 4, 12, 10, generator=torch.Generator().manual_seed(1))
    residuals = FeatureResiduals(4, 12)
    residuals.out_conv = nn.Identity()
    found = residuals(maps).numpy()
    kernels = srm_kernels().numpy()
    for image, of_image in zip(maps.numpy(), found, strict=True):
        for channel in range(4):
            for number in range(3):
                expected = cv2.filter2D(image[channel], -1, kernels[number], borderType=cv2.BORDER_CONSTANT)
                assert np.allclose(of_image[3 * channel + number], expected.clip(-LIMIT, LIMIT), atol=1e-5)


def test_autocast_does_not_round_a_bright_pictures_residuals_away():
    image = 1 + 0.004 * torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))  # half a grey level
    expected = ImageResiduals(3)(image)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ImageResiduals(3)(image), expected)


def test_kernels_are_stored_and_not_trained():
    layer = FeatureResiduals(32, 8)
    assert layer.state_dict()["kernel"].shape == (96, 1, 5, 5)
    assert {name for name, _ in layer.named_parameters()} == {
        "out_conv.0.weight",
        "out_conv.1.weight",
        "out_conv.1.bias",
    }
