"""Weights files of reconstructors: read as names and tensors, never as pickled objects."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from config.errors import InputError

State = dict[str, Tensor]
# What restoration and diffusion checkpoints keep their tensors under; the averaged ones first.
WRAPPERS = ("params_ema", "params", "state_dict")


def read_state(path: Path) -> State:
    """The tensors of a .safetensors or torch file by name, on the CPU.

    Raises:
        InputError: no such file, not readable, or no names with tensors.
    """
    if not path.is_file():
        raise InputError(f"no such weights file: {path}")
    content: object
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings(action="ignore"):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from None
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as weights: expected safetensors, or a torch file with nothing but tensors"
        ) from error
    for name in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path} holds no names with tensors")
    return {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}


def loaded(network: nn.Module, state: Mapping[str, Tensor], path: Path, device: torch.device) -> nn.Module:
    """A network with the tensors of a file, in float32, ready to run.

    Raises:
        InputError: names or shapes differ.
    """
    own = network.state_dict()
    unlike = [name for name in own if name not in state or state[name].shape != own[name].shape]
    unlike += [name for name in state if name not in own]
    if unlike:
        raise InputError(
            f"{path} does not fit {type(network).__name__}: {len(unlike)} tensors differ, such as {unlike[0]}"
        )
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return network.to(device).eval().requires_grad_(False)


def fits(network: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether a file's names are a network's."""
    return network.state_dict().keys() == state.keys()


def sha256_of(paths: Sequence[Path]) -> str:
    """SHA-256 of the files' bytes one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
