"""SRM's two streams: how they attend to each other by loops over places, and what reaches which."""

import pytest
import torch
from torch import Tensor

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.srm import SRM, DualAttention, Fusion
from tests.detectors.small import SmallLayered

LAYERS = ("options.low_layers=[first, first]", "options.middle_layers=[second, third]")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONE._entries, "small", SmallLayered)

    def build(*overrides: str) -> SRM:
        settings = ["backbone_name=small", "pretrained=null", "resolution=32", *LAYERS, *overrides]
        return build_detector(load_config(DetectorConfig, "srm", settings))

    return build


def maps(*shape: int) -> tuple[Tensor, Tensor]:
    first, second = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    return first, second


def attended(layer: DualAttention, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The same for one image (C, h, w), place by place."""
    channels, height, width = first.shape

    def at_places(maps: Tensor, *convolutions: torch.nn.Conv2d) -> Tensor:
        rows = maps.reshape(channels, -1).T
        for convolution in convolutions:
            rows = rows @ convolution.weight[:, :, 0, 0].T + convolution.bias
        return rows

    key1 = at_places(first, layer.key_conv1, layer.key_conv_share)
    key2 = at_places(second, layer.key_conv2, layer.key_conv_share)
    value1, value2 = at_places(first, layer.value_conv1), at_places(second, layer.value_conv2)
    out1, out2 = first.clone(), second.clone()
    for place in range(height * width):
        row, column = divmod(place, width)
        to_second = torch.stack([key1[place] @ other for other in key2])
        to_first = torch.stack([key2[place] @ other for other in key1])
        shares1 = (layer.linear1.weight @ to_second + layer.linear1.bias).softmax(0)
        shares2 = (layer.linear2.weight @ to_first + layer.linear2.bias).softmax(0)
        out1[:, row, column] += layer.gamma1 * sum(share * value for share, value in zip(shares1, value2, strict=True))
        out2[:, row, column] += layer.gamma2 * sum(share * value for share, value in zip(shares2, value1, strict=True))
    return out1, out2


@torch.no_grad()
def test_each_place_of_a_stream_gathers_from_all_places_of_the_other():
    torch.manual_seed(0)
    layer = DualAttention(8, 6)
    layer.gamma1.fill_(0.7)
    layer.gamma2.fill_(-1.3)
    first, second = maps(2, 8, 3, 2)
    found = layer(first, second)
    for number in range(2):
        for one, expected in zip(found, attended(layer, first[number], second[number]), strict=True):
            assert torch.allclose(one[number], expected, atol=1e-5)


def test_attention_begins_by_leaving_both_streams_as_they_are():
    first, second = maps(2, 8, 3, 2)
    for one, before in zip(DualAttention(8, 6)(first, second), (first, second), strict=True):
        assert torch.equal(one, before)


@torch.no_grad()
def test_fused_channels_are_at_most_doubled():
    fusion = Fusion(16).eval()
    first, second = maps(2, 16, 3, 3)
    plain = fusion.convblk(torch.cat([first, second], 1))
    weights = fusion(first, second)[plain > 0] / plain[plain > 0]
    assert (weights > 1).all()
    assert (weights < 2).all()


@torch.no_grad()
def test_brightness_is_seen_by_the_stream_of_colours_and_not_by_residuals(small):
    detector = small().eval()
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    # Residuals do not see what is added to all pixels, but for the border, outside which there is 0.
    inside = (..., slice(2, -2), slice(2, -2))
    assert torch.allclose(detector.srm_conv0(image)[inside], detector.srm_conv0(image + 0.5)[inside], atol=1e-5)
    assert not torch.equal(detector({"image": image})["cls"], detector({"image": image + 0.5})["cls"])


def test_both_networks_start_from_the_same_file_and_are_trained_apart(small, tmp_path, monkeypatch):
    monkeypatch.setattr(
        SmallLayered, "load_imagenet", lambda self, path: torch.nn.init.constant_(self.first[0].weight, 0.25)
    )
    (tmp_path / "small.pth").write_bytes(b"weights")
    detector = small(f"pretrained={tmp_path / 'small.pth'}")
    for network in (detector.backbone_rgb, detector.backbone_srm):
        assert torch.equal(network.first[0].weight, torch.full((8, 3, 5, 5), 0.25))
    assert detector.backbone is detector.backbone_rgb
    assert detector.initialisation.startswith("ImageNet, small.pth")
    names = detector.state_dict().keys()
    assert not [name for name in names if name.startswith("backbone.")]
    frozen = {name for name, parameter in detector.named_parameters() if not parameter.requires_grad}
    assert frozen == {"blur.weight", "backbone_srm.last_layer.weight", "backbone_srm.last_layer.bias"}


def test_layers_out_of_order_are_refused(small):
    with pytest.raises(InputError, match="layers: expected in the order of first, second, third, not first, third"):
        small("options.low_layers=[first, third]")
