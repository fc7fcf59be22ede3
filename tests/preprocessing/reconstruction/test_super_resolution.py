"""Super-resolution by path: reduced and enlarged again, restorers at their size, files of other programs."""

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from config.errors import InputError
from preprocessing.reconstruction.reconstructor import enlarge
from preprocessing.reconstruction.substitutes import SmallUpscaler
from preprocessing.reconstruction.super_resolution import RESTORER_SIDE, OnnxNetwork, load_super_resolver, restore
from preprocessing.reconstruction.train import psnr
from tests.faces import still

CPU = torch.device("cpu")
ENLARGING = Path(__file__).resolve().parents[2] / "data" / "enlarge_twice.onnx"


def face(height: int = 200, width: int = 184) -> np.ndarray:
    return np.ascontiguousarray(still()[100 : 100 + height, 100 : 100 + width, ::-1])


@pytest.mark.parametrize("size", [(256, 256), (61, 35), (4, 4), (1, 3)])
def test_any_size_comes_back_and_comes_back_the_same(size: tuple[int, int]):
    reconstructor = load_super_resolver(None, CPU)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    made = reconstructor(image)
    assert (made.shape, made.dtype) == (image.shape, np.uint8)
    np.testing.assert_array_equal(made, reconstructor(image))


def test_the_projects_own_is_a_substitute(tmp_path: Path):
    assert load_super_resolver(None, CPU).model.is_substitute
    save_file(SmallUpscaler().state_dict(), tmp_path / "mine.safetensors")
    assert load_super_resolver(tmp_path / "mine.safetensors", CPU).model.is_substitute


def test_an_untrained_upscaler_is_close_to_bicubic():
    image = face()
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    network = SmallUpscaler()
    torch.nn.init.zeros_(network.body[-1].bias)
    made = network(torch.nn.functional.avg_pool2d(pixels, 4))[0].permute(1, 2, 0).detach().numpy()
    small = cv2.resize(image.astype(np.float32), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(
        255 * made, cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), atol=0.1
    )


def test_the_network_sees_the_mean_of_areas():
    seen = []

    def network(image):
        seen.append(image)
        return image.repeat(4, axis=0).repeat(4, axis=1)

    blocks = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = blocks.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(enlarge(network, image, 4), image)
    np.testing.assert_array_equal(seen[0], blocks)


def test_a_restorer_sees_its_size_and_range_and_the_same_noise_for_each_face():
    seen: list[torch.Tensor] = []

    def noisy(images: torch.Tensor) -> tuple[torch.Tensor, None]:
        seen.append(images)
        return images + 0.05 * torch.randn(images.shape), None

    state = torch.get_rng_state()
    image = face()
    made = restore(noisy, image, CPU)
    assert seen[0].shape == (1, 3, RESTORER_SIDE, RESTORER_SIDE)
    assert -1 <= seen[0].min() < -0.5 < 0.5 < seen[0].max() <= 1
    assert psnr(made, image) > 30
    np.testing.assert_array_equal(made, restore(noisy, image, CPU))
    assert torch.equal(torch.get_rng_state(), state)


class Session:
    """Stands in for onnxruntime's: enlarges by repetition, in a size that may be fixed."""

    def __init__(self, scale: int, sides: tuple = ("h", "w")) -> None:
        self.scale, self.sides = scale, sides
        self.seen: list[np.ndarray] = []

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="x", shape=[1, 3, *self.sides])]

    def run(self, _: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.seen.append(feed["x"])
        return [feed["x"].repeat(self.scale, axis=2).repeat(self.scale, axis=3)]


def test_an_onnx_network_says_by_its_output_how_it_enlarges():
    session = Session(3)
    network = OnnxNetwork(session)
    assert (network.scale, network.size) == (3, None)
    image = face(20, 24)
    np.testing.assert_array_equal(network(image), image.repeat(3, axis=0).repeat(3, axis=1))
    assert session.seen[-1].min() >= 0
    np.testing.assert_allclose(session.seen[-1][0, :, 0, 0] * 255, image[0, 0])


def test_an_onnx_restorer_of_one_size_sees_values_around_zero():
    session = Session(1, (64, 64))
    made = enlarge(OnnxNetwork(session), face(), 1)
    assert session.seen[-1].shape == (1, 3, 64, 64)
    assert session.seen[-1].min() < -0.5
    assert psnr(made, face()) > 20  # reduced to 64 and enlarged again


def test_an_onnx_network_that_shrinks_is_none():
    class Shrinking(Session):
        def run(self, _, feed):
            return [feed["x"][:, :, ::2, ::2]]

    with pytest.raises(ValueError, match="becomes"):
        OnnxNetwork(Shrinking(1))


def test_an_onnx_file_is_run():
    """One node, Resize by 2, linear; input (1, 3, h, w). Written with the library onnx."""
    pytest.importorskip("onnxruntime")
    reconstructor = load_super_resolver(ENLARGING, CPU)
    image = face(40, 52)
    small = cv2.resize(image, (26, 20), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(small, (52, 40), interpolation=cv2.INTER_LINEAR)
    assert np.abs(reconstructor(image).astype(int) - expected).max() <= 1


def test_spandrels_networks_are_run(tmp_path: Path):
    pytest.importorskip("spandrel")
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    torch.save({"params_ema": ESRGAN(num_filters=4, num_blocks=1, scale=4).state_dict()}, tmp_path / "x.pth")
    reconstructor = load_super_resolver(tmp_path / "x.pth", CPU)
    assert (reconstructor.model.name, reconstructor.model.is_substitute) == ("ESRGAN", False)
    image = face(41, 30)
    assert reconstructor(image).shape == image.shape


@pytest.mark.parametrize(("name", "library"), [("x.onnx", "onnxruntime"), ("x.safetensors", "spandrel")])
def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, library: str):
    save_file({"conv_first.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"needs the library {library}: pip install 'assay-deepfake\[reconstruct\]'"):
        load_super_resolver(tmp_path / name, CPU)


@pytest.mark.parametrize("name", ["x.onnx", "x.safetensors", "x.pth"])
@pytest.mark.parametrize("is_there", [False, True])
def test_wrong_files_are_one_sentence(tmp_path: Path, name: str, is_there: bool):
    if name == "x.onnx":
        pytest.importorskip("onnxruntime")
    if is_there:
        (tmp_path / name).write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"expected|not a readable" if is_there else "no such weights file"):
        load_super_resolver(tmp_path / name, CPU)
