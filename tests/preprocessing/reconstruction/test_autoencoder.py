"""Autoencoders by path: told apart by their tensors, any size of crop, the same crop the same pixels."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from config.errors import InputError
from preprocessing.reconstruction import latent
from preprocessing.reconstruction.autoencoder import load_autoencoder
from preprocessing.reconstruction.latent import LatentAutoencoder, latent_from
from preprocessing.reconstruction.reconstructor import autoencode
from preprocessing.reconstruction.substitutes import SmallAutoencoder
from preprocessing.reconstruction.tiny import TinyAutoencoder, tiny_from
from preprocessing.reconstruction.train import psnr
from tests.faces import still

CPU = torch.device("cpu")
TAEF2 = Path(__file__).resolve().parents[3].parent / "shared" / "assets" / "models" / "taef2"


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(256, 256), (37, 51), (8, 8), (1, 5)])
def test_any_size_comes_back_and_comes_back_the_same(size: tuple[int, int]):
    reconstructor = load_autoencoder(None, CPU)
    image = noise(*size)
    before = image.copy()
    made = reconstructor(image)
    assert made.shape == (*size, 3)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, reconstructor(image))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("size", [(16, 24), (13, 9)])
def test_pixels_go_through_unscaled_and_unshifted(size: tuple[int, int]):
    image = noise(*size)
    np.testing.assert_array_equal(autoencode(nn.Identity(), image, 8, CPU), image)
    np.testing.assert_array_equal(autoencode(lambda pixels: 1 - pixels, image, 8, CPU), 255 - image)
    assert (autoencode(lambda pixels: pixels + 2, image, 8, CPU) == 255).all()


def test_the_projects_own_is_known_as_a_substitute_wherever_it_lies(tmp_path: Path):
    assert load_autoencoder(None, CPU).model.is_substitute
    save_file(SmallAutoencoder().state_dict(), tmp_path / "mine.safetensors")
    model = load_autoencoder(tmp_path / "mine.safetensors", CPU).model
    assert model.is_substitute
    assert model.sha256 != load_autoencoder(None, CPU).model.sha256


def tiny_files(folder: Path, network: TinyAutoencoder, suffix: str) -> Path:
    for half in ("encoder", "decoder"):
        state = getattr(network, half).state_dict()
        path = folder / f"taeX_{half}.{suffix}"
        save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    return folder / f"taeX_encoder.{suffix}"


@pytest.mark.parametrize(("channels", "pooled", "suffix"), [(4, False, "pth"), (32, True, "safetensors")])
def test_a_tiny_autoencoder_comes_in_two_files(tmp_path: Path, channels: int, pooled: bool, suffix: str):
    torch.manual_seed(0)
    network = TinyAutoencoder(channels, pooled)
    path = tiny_files(tmp_path, network, suffix)
    reconstructor = load_autoencoder(path, CPU)
    assert (reconstructor.model.name, reconstructor.model.is_substitute) == ("taeX", False)
    image = noise(20, 28)
    np.testing.assert_array_equal(reconstructor(image), autoencode(network, image, 8, CPU))
    (tmp_path / f"taeX_decoder.{suffix}").unlink()
    with pytest.raises(InputError, match=r"half of an autoencoder: expected \*encoder\* with \*decoder\* beside it"):
        load_autoencoder(path, CPU)


def test_the_hash_is_of_both_files(tmp_path: Path):
    path = tiny_files(tmp_path, TinyAutoencoder(4), "pth")
    first = load_autoencoder(path, CPU).model.sha256
    torch.save(TinyAutoencoder(4).decoder.state_dict(), tmp_path / "taeX_decoder.pth")
    assert load_autoencoder(path, CPU).model.sha256 != first


def test_diffusers_names_of_a_tiny_autoencoder_are_understood():
    network = TinyAutoencoder(4)
    theirs = {}
    for name, tensor in network.state_dict().items():
        half, number, rest = name.split(".", 2)  # their decoder's layers do not count the bound of the latents
        theirs[f"{half}.layers.{int(number) - (half == 'decoder')}.{rest}"] = tensor
    found = tiny_from(theirs)
    assert found is not None
    assert found[1].keys() == network.state_dict().keys()
    assert all(torch.equal(found[1][name], tensor) for name, tensor in network.state_dict().items())


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> LatentAutoencoder:
    """KL-f8 with few channels."""
    monkeypatch.setattr(latent, "WIDTHS", (32, 64, 64, 64))
    torch.manual_seed(0)
    return LatentAutoencoder().eval()


def test_latent_diffusions_autoencoder_by_itself_or_in_a_whole_model(narrow: LatentAutoencoder, tmp_path: Path):
    state = narrow.state_dict()
    save_file(state, tmp_path / "vae.safetensors")
    whole = {latent.PREFIX + name: tensor for name, tensor in state.items()} | {"model.x": torch.zeros(2)}
    torch.save({"state_dict": whole, "global_step": 3}, tmp_path / "sd.ckpt")
    image = noise(16, 20)
    expected = autoencode(narrow, image, 8, CPU)
    for name in ("vae.safetensors", "sd.ckpt"):
        reconstructor = load_autoencoder(tmp_path / name, CPU)
        assert "KL-f8" in reconstructor.model.name
        np.testing.assert_array_equal(reconstructor(image), expected)


def test_latents_have_an_eighth_of_the_side_and_nothing_is_drawn(narrow: LatentAutoencoder):
    images = torch.rand(1, 3, 32, 48)
    assert narrow.encoder(images).shape == (1, 8, 4, 6)
    assert torch.equal(narrow(images), narrow(images))
    narrow.quant_conv.weight.data[4:] += 1  # the log variance
    assert torch.equal(narrow(images), narrow(images))


# As `AutoencoderKL.state_dict()` of diffusers has them.
DIFFUSERS = {
    "encoder.conv_in.weight": "encoder.conv_in.weight",
    "encoder.down_blocks.1.resnets.0.conv_shortcut.weight": "encoder.down.1.block.0.nin_shortcut.weight",
    "encoder.down_blocks.2.downsamplers.0.conv.bias": "encoder.down.2.downsample.conv.bias",
    "encoder.mid_block.resnets.1.norm2.weight": "encoder.mid.block_2.norm2.weight",
    "encoder.mid_block.attentions.0.group_norm.bias": "encoder.mid.attn_1.norm.bias",
    "encoder.mid_block.attentions.0.to_q.weight": "encoder.mid.attn_1.q.weight",
    "encoder.mid_block.attentions.0.query.weight": "encoder.mid.attn_1.q.weight",
    "decoder.mid_block.attentions.0.to_out.0.weight": "decoder.mid.attn_1.proj_out.weight",
    "decoder.mid_block.attentions.0.proj_attn.bias": "decoder.mid.attn_1.proj_out.bias",
    "decoder.up_blocks.0.resnets.2.conv1.weight": "decoder.up.3.block.2.conv1.weight",
    "decoder.up_blocks.2.upsamplers.0.conv.weight": "decoder.up.1.upsample.conv.weight",
    "decoder.conv_norm_out.weight": "decoder.norm_out.weight",
    "post_quant_conv.weight": "post_quant_conv.weight",
}


@pytest.mark.parametrize(("theirs", "ours"), DIFFUSERS.items())
def test_diffusers_names_of_kl_f8_are_understood(narrow: LatentAutoencoder, theirs: str, ours: str):
    state = narrow.state_dict()
    marked = torch.full_like(state[ours], 3.0)
    given = {name: tensor for name, tensor in state.items() if name != ours}
    given[theirs] = marked.flatten(1) if re.search(r"\.(to_q|to_out\.0|query)\.weight", theirs) else marked
    found = latent_from(given)
    assert found is not None
    assert torch.equal(found[1][ours], marked)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no such weights file"),
        (b"nonsense", "is not a readable safetensors file"),
        ({"classifier.weight": torch.zeros(2, 2)}, "holds no autoencoder that is known: expected KL-f8"),
        ({"encoder.conv_in.weight": torch.zeros(2, 2)}, "holds no autoencoder that is known"),
    ],
)
def test_wrong_files_are_one_sentence(tmp_path: Path, content: object, sentence: str):
    path = tmp_path / "x.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        save_file(content, path)
    with pytest.raises(InputError, match=sentence):
        load_autoencoder(path, CPU)


def test_pickled_objects_are_not_run(tmp_path: Path):
    torch.save(SmallAutoencoder(), tmp_path / "x.pth")
    with pytest.raises(InputError, match="nothing but tensors"):
        load_autoencoder(tmp_path / "x.pth", CPU)


@pytest.mark.assets
@pytest.mark.skipif(not TAEF2.is_dir(), reason="needs ../shared/assets/models/taef2")
def test_published_weights_give_back_a_face():
    face = still()[:256, :256, ::-1]
    reconstructor = load_autoencoder(TAEF2 / "taef2_encoder.pth", CPU)
    assert reconstructor.model.name == "taef2"
    assert psnr(reconstructor(face), face) > 30
