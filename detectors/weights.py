"""Weights on disk: safetensors written, safetensors and DeepfakeBench's .pth read, never a pickled object run."""

import json
import pickle
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from config.errors import InputError
from config.files import atomic_path, file_sha256
from config.load import config_names, load_config, parse_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.signatures import COUNTER, SIGNATURES, in_names_of, look_alikes

METADATA = "assay"
SUFFIXES = (".safetensors", ".pth", ".pt")
# How torch's files begin: zip archives, and pickles before torch 1.6.
TORCH_STARTS = (b"PK", b"\x80")
# Under which of a torch file's entries training code keeps the state dict.
ENTRIES = ("state_dict", "model_state_dict", "model")
LEAST_ALIKE = 0.5  # share of tensors that two networks have in common, for one's file to be taken for the other's


def save_weights(detector: nn.Module, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a state dict as safetensors, whole or not at all; equal content gives equal bytes.

    Args:
        detector: whose state dict is written; all of it must be tensors.
        path: the file to write; its folder is made if need be.
        metadata: strings that are stored beside the tensors.

    Raises:
        InputError: the file cannot be written.
        TypeError: the state dict holds something that is not a tensor.
    """
    state = {key: _tensor(key, value).detach().cpu().contiguous() for key, value in detector.state_dict().items()}
    # One entry only: safetensors writes several in random order, and equal weights would give unequal files.
    header = {METADATA: json.dumps(dict(metadata), sort_keys=True)}
    content = save(state, metadata=header)  # its own writing of files leaves scratch behind when it is killed
    with atomic_path(path) as scratch:
        scratch.write_bytes(content)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The state dict and the metadata of a weights file, on the CPU.

    A .pth or .pt file may hold the state dict itself or have it under `state_dict`, `model_state_dict` or `model`; the
    prefix `module.`, which DDP adds, is taken off. Such a file has no metadata.

    Raises:
        InputError: no such file, another suffix, not readable, or holding anything but tensors.
    """
    if not path.is_file():
        raise InputError(f"no such weights file: {path}")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a weights file that ends in {', '.join(SUFFIXES)}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_pth(path), {}


def load_weights(detector: nn.Module, path: Path) -> dict[str, str]:
    """Load a weights file into a detector, every name and shape equal; DF40's prefixes are taken for DeepfakeBench's.

    Networks may differ where their names and shapes do not; a file that says of which it is, is held to that.

    Returns:
        The file's metadata.

    Raises:
        InputError: the file cannot be read, or belongs to another network.
    """
    state, metadata = read_weights(path)
    config = getattr(detector, "config", None)
    name = config.model_name if isinstance(config, DetectorConfig) else type(detector).__name__
    complaint = f"{path} does not fit the detector '{name}'"
    own = in_names_of(detector.state_dict(), state)
    fits = _shapes(own) == _shapes(detector.state_dict())
    if isinstance(config, DetectorConfig) and "config" in metadata and fits:
        network = parse_config(DetectorConfig, metadata["config"]).backbone_name
        if network != config.backbone_name:
            raise InputError(f"{complaint}: its backbone_name is {network}, not {config.backbone_name}")
    try:
        load_state(detector, own, complaint)
    except InputError as error:
        found = "" if fits else _whose(state, metadata, config)
        raise InputError(f"{error}; {found}" if found else str(error)) from None
    return metadata


def recognise(state: Mapping[str, Tensor]) -> str | None:
    """The shipped detector whose state dict has exactly these names and shapes, or None.

    DF40's prefixes are taken for DeepfakeBench's, and BatchNorm's counters may be missing. Of detectors with the same
    tensors it is the plain classifier.
    """
    shipped = config_names(DetectorConfig)
    likely = [name for name in look_alikes(state) if name in shipped]
    for name in dict.fromkeys([*likely, *shipped]):
        own = _shipped(name)
        if _shapes(in_names_of(own, state)) == own:
            return name
    return None


def nearest(state: Mapping[str, Tensor]) -> str:
    """Of which shipped detector a state dict seems to be, and where it departs, as the end of a sentence.

    It is the one that has the most names with their shapes in common, of several the plain classifier; "" where that
    is half of the tensors or less.
    """
    shipped = config_names(DetectorConfig)
    plain = [entry.names[0] for entry in SIGNATURES if entry.names[0] in shipped]
    names = list(dict.fromkeys([*plain, *shipped]))
    alike = [_share_in_common(_shipped(name), state) for name in names]
    if max(alike) <= LEAST_ALIKE:
        return ""
    name = names[alike.index(max(alike))]
    own = _shipped(name)
    given = {key: tensor for key, tensor in in_names_of(own, state).items() if not key.endswith(COUNTER)}
    return f"it looks like a file of '{name}', but for {_departures(own, given)}"


def resemblance(state: Mapping[str, Tensor]) -> str:
    """Whose weights these are or seem to be, as the end of a sentence; "" if nothing is known of them."""
    name = recognise(state)
    if name:
        return f"it is a file of '{name}'"
    known = look_alikes(state)
    if not known:
        return ""
    shipped = next((name for name in known if name in config_names(DetectorConfig)), None)
    if shipped:
        return f"it looks like a file of '{shipped}'"
    return f"it looks like a file of '{known[0]}', which this version does not have"


def _whose(state: Mapping[str, Tensor], metadata: Mapping[str, str], config: object) -> str:
    """Whose weights do not fit a configuration, or what of it is set otherwise, as the end of a sentence."""
    name = recognise(state)
    if isinstance(config, DetectorConfig) and name == config.model_name:
        return _set_otherwise(config, load_config(DetectorConfig, name))
    known = resemblance(state)
    if known or not isinstance(config, DetectorConfig) or "config" not in metadata:
        return known
    return _set_otherwise(config, parse_config(DetectorConfig, metadata["config"]))


def _set_otherwise(config: DetectorConfig, stored: DetectorConfig) -> str:
    """What of a detector the configuration of a file sets otherwise, as the end of a sentence; "" if nothing."""
    if stored.model_name != config.model_name:
        return f"it is a file of '{stored.model_name}'"
    there, here = (
        {"backbone_name": one.backbone_name, "resolution": one.resolution, **one.options} for one in (stored, config)
    )
    differing = [key for key in there if key in here and there[key] != here[key]]
    return f"its {differing[0]} is {there[differing[0]]}, not {here[differing[0]]}" if differing else ""


def load_state(module: nn.Module, state: Mapping[str, Tensor], complaint: str, keep: tuple[str, ...] = ()) -> None:
    """Load tensors into a module, every name and shape equal, but for BatchNorm's counters, which old files lack.

    Args:
        module: what is loaded into.
        state: names and tensors.
        complaint: how the error's sentence begins.
        keep: prefixes of names that the file is not expected to have; these tensors stay as they are.

    Raises:
        InputError: names are missing or unexpected, or shapes differ; the sentence counts them and shows one of each;
            or the module refuses what the tensors say.
    """
    own = {key: tensor.shape for key, tensor in module.state_dict().items() if not key.startswith(keep)}
    if found := _departures(own, state):
        raise InputError(f"{complaint}: {found}")
    try:
        module.load_state_dict(dict(state), strict=False)
    except InputError as error:
        raise InputError(f"{complaint}: {error}") from None


def weights_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return file_sha256(path)


def _departures(own: Mapping[str, torch.Size], state: Mapping[str, Tensor]) -> str:
    """How many tensors a state dict lacks, has too many, or has in another shape, with one of each; "" if none."""
    missing = [key for key in own if key not in state and not key.endswith(COUNTER)]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key] != state[key].shape]
    found = []
    if missing:
        found.append(f"{len(missing)} tensor{'s' * (len(missing) > 1)} missing (such as {missing[0]})")
    if unexpected:
        found.append(f"{len(unexpected)} unexpected (such as {unexpected[0]})")
    if reshaped:
        key = reshaped[0]
        shapes = f"{key} is {tuple(state[key].shape)}, expected {tuple(own[key])}"
        found.append(f"{len(reshaped)} of another shape ({shapes})")
    return ", ".join(found)


def _share_in_common(own: Mapping[str, torch.Size], state: Mapping[str, Tensor]) -> float:
    given = _shapes(in_names_of(own, state))
    return len(own.items() & given.items()) / max(len(own), len(given))


@cache
def _shipped(name: str) -> dict[str, torch.Size]:
    """Names and shapes of a shipped detector's state dict, without BatchNorm's counters."""
    with torch.device("meta"):
        return _shapes(build_detector(load_config(DetectorConfig, name), pretrained=False).state_dict())


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in state.items() if not key.endswith(COUNTER)}


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            header = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            return state, {str(key): str(value) for key, value in header.items()}
    except (SafetensorError, OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from None


def _read_pth(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            if not file.read(2).startswith(TORCH_STARTS):
                raise ValueError("neither a zip archive nor a pickle")
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(f"{path} holds pickled objects, which are never run: save its state_dict() alone") from None
    except Exception as error:
        raise InputError(f"{path} is not a readable torch file: it is damaged or of another format") from error
    if isinstance(content, Mapping):
        nested = (content.get(entry) for entry in ENTRIES)
        content = next((entry for entry in nested if isinstance(entry, Mapping)), content)
    if not isinstance(content, Mapping) or not content or not all(map(_is_dense, content.values())):
        raise InputError(
            f"{path} holds no state dict: expected names with dense tensors, or these under 'state_dict' or 'model'"
        )
    return {str(key).removeprefix("module."): tensor for key, tensor in content.items()}


def _is_dense(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided


def _tensor(key: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(f"state dict entry '{key}' is {type(value).__name__}; a detector's state must be tensors")
    return value
