"""AFFS: the error of a channel against the enlarged map, and which channels are kept."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from detectors.fia_usa.selection import ChannelErrors, ChannelSelection, response, squared_distances


@pytest.mark.parametrize(("size", "target"), [((8, 8), (64, 64)), ((95, 95), (380, 380)), ((3, 5), (17, 12))])
def test_errors_are_those_of_maps_enlarged_to_the_mask(size, target):
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 3, *size, generator=generator)
    mask = torch.rand(2, 1, *target, generator=generator)
    expected = (F.interpolate(maps, target, mode="bilinear") - mask).square().mean((2, 3))
    torch.testing.assert_close(squared_distances(maps, mask), expected, rtol=1e-4, atol=1e-6)


def test_what_is_normalised_by_its_readings():
    real = torch.tensor([[[[0.0, 1.0], [2.0, 4.0]]]])
    fake = torch.tensor([[[[1.0, 1.0], [0.0, 2.0]]]])
    # real - fake = -1, 0, 2, 2; alone they are 0, 1/4, 1/2, 1 and 1/2, 1/2, 0, 1.
    for reading, expected in (
        ("absolute", [0.5, 0.0, 1.0, 1.0]),
        ("signed", [0.0, 1 / 3, 1.0, 1.0]),
        ("each", [0.5, 0.25, 0.5, 0.0]),
    ):
        np.testing.assert_allclose(response(real, fake, reading).flatten(), expected, atol=1e-6)


def test_a_channel_that_does_not_change_is_as_far_from_the_mask_as_nothing():
    same, mask = torch.rand(1, 1, 4, 4), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    assert not response(same, same, "absolute").any()
    errors = ChannelErrors("absolute")
    errors.add([same], [same], mask)
    assert errors.means()[0].item() == pytest.approx(0.5)


def test_pairs_may_come_in_any_batches():
    generator = torch.Generator().manual_seed(0)
    real, fake = ([torch.rand(6, 4, side, side, generator=generator) for side in (8, 4)] for _ in range(2))
    mask = torch.rand(6, 1, 16, 16, generator=generator)
    found = []
    for sizes in ([6], [1, 3, 2]):
        errors = ChannelErrors("absolute")
        parts = ([one.split(sizes) for one in maps] for maps in (real, fake))
        for *pair, part in zip(*(zip(*one, strict=True) for one in parts), mask.split(sizes), strict=True):
            errors.add(*pair, part)
        found.append(errors.means())
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
        assert one.shape == (4,)


def test_the_channels_with_the_smallest_errors_are_kept_in_their_order():
    selection = ChannelSelection((3, 4), (2, 3))
    assert [kept.tolist() for kept in selection.kept] == [[0, 1], [0, 1, 2]]
    selection.keep([torch.tensor([0.3, 0.1, 0.2]), torch.tensor([0.5, 0.5, 0.4, 0.5])])
    assert [kept.tolist() for kept in selection.kept] == [[1, 2], [0, 1, 2]]
    maps = [torch.rand(2, 3, 4, 4), torch.rand(2, 4, 2, 2)]
    fine, coarse = selection(maps)
    assert torch.equal(fine, maps[0][:, 1:])
    assert torch.equal(coarse, maps[1][:, :3])
