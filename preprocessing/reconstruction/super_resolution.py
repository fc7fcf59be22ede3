"""Super-resolution by path: GFPGAN and whatever else the library `spandrel` knows, ONNX files, and the project's own.

A network that enlarges is given the crop reduced by its factor. One that keeps the size is a restorer and is given the
crop itself, in the size that it wants. Either way the result is brought to the crop's size.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from config.errors import InputError
from preprocessing.clips import Image
from preprocessing.reconstruction.reconstructor import Reconstructor, enlarge, resized, run_network, to_bytes
from preprocessing.reconstruction.stored import ReconstructionModel
from preprocessing.reconstruction.substitutes import ENLARGED, SmallUpscaler
from preprocessing.reconstruction.weights import State, fits, loaded, read_state, sha256_of

SUBSTITUTE = Path(__file__).parent.parent / "models" / "assay_upscaler.safetensors"
KIND = "super_resolution"
RESTORER_SIDE = 512  # pixels of a face that GFPGAN and RestoreFormer restore
PROBE_SIDE = 64
EXTRA = "pip install 'assay-deepfake[reconstruct]'"


def load_super_resolver(path: Path | None, device: torch.device) -> Reconstructor:
    """A network that reconstructs faces by super-resolution.

    Args:
        path: weights that spandrel knows (GFPGAN, RestoreFormer, ESRGAN, SwinIR, ...) or an .onnx file. None takes the
            project's own small upscaler, a substitute.
        device: where it runs.

    Raises:
        InputError: the file cannot be read, holds no such network, or needs a library that is not installed.
    """
    path = path or SUBSTITUTE
    if path.suffix == ".onnx":
        return _from_onnx(path, device)
    state = read_state(path)
    if fits(small := SmallUpscaler(), state):
        run = partial(run_network, loaded(small, state, path, device), device=device)
        model = ReconstructionModel("small upscaler", sha256_of([path]), is_substitute=True)
        return Reconstructor(KIND, model, partial(enlarge, run, scale=ENLARGED))
    return _from_spandrel(path, state, device)


def _from_spandrel(path: Path, state: State, device: torch.device) -> Reconstructor:
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError:
        raise InputError(f"--super-resolver {path} needs the library spandrel: {EXTRA}") from None
    try:
        found = ModelLoader(device).load_from_state_dict(state)
    except (UnsupportedModelError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} holds no super-resolution network that spandrel knows, such as GFPGAN's or ESRGAN's"
        ) from error
    if not isinstance(found, ImageModelDescriptor) or (found.input_channels, found.output_channels) != (3, 3):
        raise InputError(f"{path}: expected a network from colour images to colour images, found {found.purpose}")
    model = ReconstructionModel(found.architecture.name, sha256_of([path]), is_substitute=False)
    found.float().eval()
    if found.purpose == "FaceSR":
        return Reconstructor(KIND, model, partial(restore, found.model, device=device))
    run = partial(run_network, found, device=device)
    return Reconstructor(KIND, model, partial(enlarge, run, scale=found.scale))


def restore(network: Callable[[Tensor], Sequence[Tensor]], image: Image, device: torch.device) -> Image:
    """A crop through a face restorer, which takes one size.

    It works in [-1, 1], though spandrel hands it [0, 1]. GFPGAN adds noise, here the same to each face.

    Args:
        network: (1, 3, 512, 512) in [-1, 1] to the same and more.
        image: (H, W, 3) uint8.
        device: where the network is.
    """

    def scaled(images: Tensor) -> Tensor:
        return network(images * 2 - 1)[0] / 2 + 0.5

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        restored = run_network(scaled, resized(image, RESTORER_SIDE, RESTORER_SIDE), device)
    return resized(restored, *image.shape[:2])


def _from_onnx(path: Path, device: torch.device) -> Reconstructor:
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"--super-resolver {path} needs the library onnxruntime: {EXTRA}") from None
    if not path.is_file():
        raise InputError(f"no such weights file: {path}")
    wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
    providers = [name for name in [*wanted, "CPUExecutionProvider"] if name in onnxruntime.get_available_providers()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        network = OnnxNetwork(session)
    except Exception as error:
        raise InputError(f"{path}: expected an ONNX network of one image (1, 3, H, W) to a larger one") from error
    model = ReconstructionModel(path.stem, sha256_of([path]), is_substitute=False)
    return Reconstructor(KIND, model, partial(enlarge, network, scale=network.scale))


class OnnxNetwork:
    """An ONNX network of one colour image, RGB, and the factor by which it enlarges.

    Values are in [0, 1]; but a network that takes one size only and keeps it is taken for an exported face restorer,
    whose values are in [-1, 1].

    Attributes:
        size: height and width that it takes; None if it takes any.
        scale: the factor.

    Args:
        session: of onnxruntime.

    Raises:
        ValueError: its input or output is no such image.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        (given,) = session.get_inputs()
        sides = given.shape[2:]
        self._name = given.name
        self.size: tuple[int, int] | None = (sides[0], sides[1]) if all(isinstance(n, int) for n in sides) else None
        height, width = self.size or (PROBE_SIDE, PROBE_SIDE)
        shape = self._run(np.zeros((1, 3, height, width), np.float32)).shape
        self.scale = shape[2] // height
        if shape != (1, 3, self.scale * height, self.scale * width) or not self.scale:
            raise ValueError(f"{(height, width)} becomes {shape}")
        self._is_restorer = self.size is not None and self.scale == 1

    def __call__(self, image: Image) -> Image:
        """(h, w, 3) uint8 to (scale h, scale w, 3)."""
        if self.size:
            image = resized(image, *self.size)
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1))[None].astype(np.float32) / 255
        made = self._run(pixels * 2 - 1) / 2 + 0.5 if self._is_restorer else self._run(pixels)
        return to_bytes(made[0].transpose(1, 2, 0))

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._name: pixels})[0]
