"""The top-down path against one convolution of all maps at once."""

import torch
import torch.nn.functional as F

from detectors.pyramid import FeaturePyramid, TopDown

CHANNELS = (3, 5, 7)


def maps(*sizes: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, count, size, size, generator=generator) for count, size in zip(CHANNELS, sizes, strict=True)]


def test_the_finest_merged_map_is_one_1x1_convolution_of_all_maps_at_its_resolution():
    top_down, given = TopDown(CHANNELS, 6), maps(16, 8, 4)
    enlarged = [torch.kron(one, torch.ones(1, 1, 16 // one.shape[-1], 16 // one.shape[-1])) for one in given]
    weight = torch.cat([convolution.weight for convolution in top_down.lateral], 1)
    bias = torch.stack([convolution.bias for convolution in top_down.lateral]).sum(0)
    assert torch.allclose(top_down(given)[0], F.conv2d(torch.cat(enlarged, 1), weight, bias), atol=1e-5)


def test_merged_maps_keep_the_resolutions_also_odd_ones_and_the_coarsest_stays_alone():
    top_down, given = TopDown(CHANNELS, 6), maps(15, 8, 4)
    merged = top_down(given)
    assert [tuple(one.shape) for one in merged] == [(2, 6, size, size) for size in (15, 8, 4)]
    assert torch.equal(merged[2], top_down.lateral[2](given[2]))


def test_a_feature_pyramid_smooths_the_finest_merged_maps():
    given = maps(15, 8, 4)
    for levels in (1, 3):
        pyramid = FeaturePyramid(CHANNELS, 6, levels)
        merged = pyramid.top_down(given)
        found = pyramid(given)
        assert len(found) == levels
        for one, smooth, expected in zip(found, pyramid.smooth, merged, strict=False):
            torch.testing.assert_close(one, F.conv2d(expected, smooth.weight, smooth.bias, padding=1))
            assert one.shape == expected.shape
