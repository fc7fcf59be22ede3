"""Vision Transformers against the paper's equations, written out, and against timm's tensor names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from config.errors import InputError
from config.load import load_config
from config.schema import BackboneConfig, DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.backbones.vit import VisionTransformer, ViTB16
from detectors.conformance import CHECKS, Case
from evaluation.gradcam import grad_cam

SIZES = {"vit_b_16": (16, 768, 12), "vit_l_32": (32, 1024, 24)}  # patch, width, blocks
HEADS = 3  # of Tiny


class Tiny(VisionTransformer):
    """timm's smallest, with 12 blocks and patches of 16 pixels."""

    title = "Tiny"
    architecture = "vit_tiny_patch16_224"
    patch = 16
    channels = 192


def tiny(mode: str = "original") -> Tiny:
    """With every tensor drawn, so that none is 0 and could be forgotten."""
    generator = torch.Generator().manual_seed(0)
    backbone = Tiny(BackboneConfig(mode=mode)).eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.normal_(0, 0.1, generator=generator)
    return backbone


def images(side: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(3))


def tokens_by_equations(state: dict[str, Tensor], x: Tensor, positions: Tensor) -> Tensor:
    """Equations 1 to 4 of the paper: tokens (B, 1 + N, D) after the final norm, the class token first."""

    def linear(name: str, value: Tensor) -> Tensor:
        return value @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name: str, value: Tensor) -> Tensor:
        centred = value - value.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]

    def attention(name: str, value: Tensor) -> Tensor:
        parts = linear(f"{name}.qkv", value).chunk(3, -1)
        query, key, values = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
        return linear(f"{name}.proj", (weights @ values).transpose(1, 2).flatten(2))

    patches = F.unfold(x, 16, stride=16).mT @ state["patch_embed.proj.weight"].flatten(1).T
    patches = patches + state["patch_embed.proj.bias"]
    z = torch.cat([state["cls_token"].expand(len(x), -1, -1), patches], 1) + positions
    for number in range(12):
        block = f"blocks.{number}"
        z = z + attention(f"{block}.attn", norm(f"{block}.norm1", z))
        z = z + linear(f"{block}.mlp.fc2", F.gelu(linear(f"{block}.mlp.fc1", norm(f"{block}.norm2", z))))
    return norm("norm", z)


def resized_by_pillow(positions: Tensor, side: int) -> Tensor:
    """Position embeddings (1, 1 + 14 * 14, D) for side * side patches, each number's map resized as an image."""
    maps = positions[0, 1:].T.unflatten(1, (14, 14)).numpy()
    resized = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in maps]
    return torch.cat([positions[:, :1], torch.from_numpy(np.stack(resized)).flatten(1).T[None]], 1)


@pytest.mark.parametrize("side", [224, 256, 64])
def test_both_modes_are_the_papers_equations_at_any_size(side: int):
    backbones = {mode: tiny(mode) for mode in ("original", "mean")}
    state = backbones["mean"].network.state_dict()
    positions = state["pos_embed"] if side == 224 else resized_by_pillow(state["pos_embed"], side // 16)
    expected = tokens_by_equations(state, images(side), positions)
    with torch.no_grad():
        token, patches = (backbones[mode].features(images(side)) for mode in ("original", "mean"))
        assert token.shape == (2, 192, 1, 1)
        assert patches.shape == (2, 192, side // 16, side // 16)
        torch.testing.assert_close(token[:, :, 0, 0], expected[:, 0], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(patches.flatten(2).mT, expected[:, 1:], rtol=1e-3, atol=1e-3)
        for mode, feature, seen in (("original", token, expected[:, 0]), ("mean", patches, expected[:, 1:].mean(1))):
            logits = F.linear(seen, *backbones[mode].last_layer.parameters())
            torch.testing.assert_close(backbones[mode].classifier(feature), logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("mode", ["original", "mean"])
def test_parameters_and_feature_map(name: str, mode: str):
    patch, width, blocks = SIZES[name]
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig(mode=mode))
        shape = backbone.features(torch.zeros(2, 3, 192, 256)).shape
        assert backbone.map_side(256) == (256 // patch if mode == "mean" else 1)
    assert shape == (2, width, *((192 // patch, 256 // patch) if mode == "mean" else (1, 1)))
    assert backbone.channels == width
    attention = (3 * width + width) * (width + 1)
    mlp = 4 * width * (width + 1) + width * (4 * width + 1)
    embedded = (3 * patch**2 + 1) * width + width + (1 + (224 // patch) ** 2) * width
    expected = embedded + blocks * (attention + mlp + 4 * width) + 2 * width
    assert sum(parameter.numel() for parameter in backbone.network.parameters()) == expected


@pytest.mark.parametrize("name", SIZES)
def test_no_layer_is_dropped_in_training(name: str):
    with torch.device("meta"):
        network = BACKBONE[name](BackboneConfig()).network
    assert {type(block.drop_path1) for block in network.blocks} == {torch.nn.Identity}
    assert all(module.p == 0 for module in network.modules() if isinstance(module, torch.nn.Dropout))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_it_starts_from_timms_file(tmp_path: Path, suffix: str):
    other = timm.create_model("vit_tiny_patch16_224", num_classes=7).eval()
    path = tmp_path / f"file{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(other.state_dict(), path)
    backbone = tiny()
    head = backbone.last_layer.weight.clone()
    backbone.initialise(path)
    assert backbone.initialisation.startswith(f"ImageNet, {path.name}, sha256 ")
    assert torch.equal(backbone.last_layer.weight, head)
    with torch.no_grad():
        expected = other.forward_head(other.forward_features(images(224)), pre_logits=True)
        torch.testing.assert_close(backbone.features(images(224))[:, :, 0, 0], expected)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("head", [{}, {"head.weight": (21843, 8), "pre_logits.fc.weight": (8, 8)}], ids=["bare", "old"])
@pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")
def test_the_files_of_the_two_networks_fit(tmp_path: Path, name: str, head: dict[str, tuple[int, int]]):
    with torch.device("meta"):
        backbone = BACKBONE[name](BackboneConfig())
        other = timm.create_model(backbone.architecture, num_classes=0).state_dict()
    # One number for each tensor, whose file is small for it.
    shapes = {key: tensor.shape for key, tensor in other.items()} | head
    path = tmp_path / "file.pth"
    torch.save({key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}, path)
    backbone.initialise(path)
    assert backbone.initialisation.startswith("ImageNet, file.pth, sha256 ")
    with torch.device("meta"):
        wrong = tiny() if name == "vit_b_16" else ViTB16(BackboneConfig())
    with pytest.raises(InputError, match=rf"file\.pth does not fit {wrong.title}: .* of another shape"):
        wrong.initialise(path)


def test_a_side_that_holds_no_whole_patches_is_refused():
    with pytest.raises(InputError, match="resolution: Tiny takes multiples of 16 pixels, not 380 x 380"):
        tiny().features(torch.zeros(1, 3, 380, 380))


def test_an_unknown_mode_is_refused():
    with pytest.raises(InputError, match=r"unknown backbone_config\.mode of Tiny 'means'; did you mean 'mean'"):
        tiny("means")


@pytest.fixture
def of_tiny(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Case]:
    def make(mode: str) -> Case:
        monkeypatch.setitem(BACKBONE._entries, "tiny", Tiny)
        overrides = ["backbone_name=tiny", "resolution=64", f"backbone_config.mode={mode}"]
        return Case.of(load_config(DetectorConfig, "efficientnetb4", overrides))

    return make


@pytest.mark.parametrize("mode", ["original", "mean"])
def test_a_detector_with_it_passes_every_check(of_tiny, mode: str):
    case = of_tiny(mode)
    for check in CHECKS:
        check(case)


def test_a_detector_of_the_real_size_scores_and_is_drawn_from_the_seed():
    config = load_config(DetectorConfig, "efficientnetb4", ["backbone_name=vit_b_16", "pretrained=null"])
    detectors = [build_detector(config).eval() for _ in range(2)]
    with torch.no_grad():
        predictions = [detector({"image": images(64)}, inference=True) for detector in detectors]
    assert torch.equal(predictions[0]["prob"], predictions[1]["prob"])
    assert predictions[0]["prob"].unique().numel() == 2
    assert predictions[0]["feat"].shape == (2, 768, 1, 1)


def test_grad_cam_draws_patches_and_refuses_the_class_token(of_tiny):
    maps, _ = grad_cam(of_tiny("mean").detector, images(64))
    assert maps.shape == (2, 4, 4)
    with pytest.raises(
        InputError, match=r"a map of several cells as 'feat', not of one; .* backbone_config\.mode=mean"
    ):
        grad_cam(of_tiny("original").detector, images(64))
