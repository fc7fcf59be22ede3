"""Autoencoders by path: which one a file holds is told by its tensors."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from config.errors import InputError
from preprocessing.reconstruction import latent, tiny
from preprocessing.reconstruction.reconstructor import Reconstructor, autoencode
from preprocessing.reconstruction.stored import ReconstructionModel
from preprocessing.reconstruction.substitutes import SmallAutoencoder
from preprocessing.reconstruction.weights import State, fits, loaded, read_state, sha256_of

SUBSTITUTE = Path(__file__).parent.parent / "models" / "assay_autoencoder.safetensors"
SIDES = 8


def load_autoencoder(path: Path | None, device: torch.device) -> Reconstructor:
    """An autoencoder that reconstructs faces.

    Args:
        path: KL-f8 of Stable Diffusion (an autoencoder by itself, or a whole model of CompVis's kind), or one of the
            family TAESD: a file with both halves, or `*encoder*` with `*decoder*` beside it. None takes the project's
            own small one, a substitute.
        device: where it runs.

    Raises:
        InputError: the file cannot be read, or holds no autoencoder that is known.
    """
    path = path or SUBSTITUTE
    state, files = _both_halves(path)
    name, network, state = _recognised(path, state)
    network = loaded(network, state, path, device)
    model = ReconstructionModel(name, sha256_of(files), isinstance(network, SmallAutoencoder))
    return Reconstructor("autoencoder", model, partial(autoencode, network, multiple=SIDES, device=device))


def _recognised(path: Path, state: State) -> tuple[str, nn.Module, State]:
    """The name of the network that a file's tensors belong to, the network, and the tensors under its names."""
    if fits(small := SmallAutoencoder(), state):
        return "small autoencoder", small, state
    if found := tiny.tiny_from(state):
        return path.stem.replace("_encoder", ""), *found
    if found_latent := latent.latent_from(state):
        return "latent-diffusion autoencoder (KL-f8)", *found_latent
    raise InputError(
        f"{path} holds no autoencoder that is known: expected KL-f8 of Stable Diffusion, or one of the family TAESD"
    )


def _both_halves(path: Path) -> tuple[State, list[Path]]:
    """The tensors of a file, or of an encoder's file and its decoder's as one, and the files."""
    state = read_state(path)
    if "0.weight" not in state:
        return state, [path]
    decoder = path.with_name(path.name.replace("encoder", "decoder"))
    if decoder == path or not decoder.is_file():
        raise InputError(f"{path} is half of an autoencoder: expected *encoder* with *decoder* beside it")
    halves = {"encoder": state, "decoder": read_state(decoder)}
    both = {f"{half}.{name}": tensor for half, part in halves.items() for name, tensor in part.items()}
    return both, [path, decoder]
