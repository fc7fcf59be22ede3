"""CBAM's attention by its formulas."""

import numpy as np
import torch
from scipy.special import expit

from detectors.attention import ChannelAttention, SpatialAttention

MAPS = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(1))


def test_attention_to_channels_adds_up_what_their_means_and_peaks_say():
    torch.manual_seed(0)
    attention = ChannelAttention(6, ratio=3)
    inner, outer = (
        layer.weight[:, :, 0, 0].detach().numpy() for layer in (attention.sharedMLP[0], attention.sharedMLP[2])
    )
    assert (inner.shape, outer.shape) == ((2, 6), (6, 2))
    maps = MAPS.numpy()
    answers = [outer @ np.maximum(inner @ vectors.T, 0) for vectors in (maps.mean((2, 3)), maps.max((2, 3)))]
    found = attention(MAPS).detach().numpy()
    assert found.shape == (2, 6, 1, 1)
    assert np.allclose(found[:, :, 0, 0], expit(sum(answers)).T, atol=1e-6)


def test_attention_to_places_sees_the_mean_and_the_peak_of_their_channels():
    attention = SpatialAttention()
    with torch.no_grad():
        attention.conv.weight.zero_()
        attention.conv.weight[0, :, 3, 3] = torch.tensor([2.0, -1.0])
        attention.conv.weight[0, 0, 3, 4] = 0.5  # the mean of the place to the right
    maps = MAPS.numpy()
    mean, peak = maps.mean(1), maps.max(1)
    right = np.pad(mean, ((0, 0), (0, 0), (0, 1)))[..., 1:]
    assert np.allclose(attention(MAPS)[:, 0].detach().numpy(), expit(2 * mean - peak + 0.5 * right), atol=1e-6)
