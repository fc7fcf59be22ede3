"""What commands load before they run a network: a device, a detector with its weights, a number of processes."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from benchmark.plugins import PluginFile
from config.errors import InputError
from config.load import config_names, load_config, parse_config, variant_names
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors import DETECTOR, build_detector
from detectors.base import AbstractDetector
from detectors.signatures import look_alikes
from detectors.weights import load_weights, nearest, read_weights, recognise, resemblance
from preprocessing.reconstruction.stored import models_from_json
from preprocessing.workers import cores
from training.checkpoint import RunFolder
from training.trainer import RECONSTRUCTIONS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """A detector with trained weights, ready to score.

    Attributes:
        detector: the network, on `device`, in channels_last.
        config: its configuration.
        weights: the file that its weights come from.
        device: where it is.
        notes: what a reader must know of the weights beside each result: what stood in for the real thing.
    """

    detector: AbstractDetector
    config: DetectorConfig
    weights: Path
    device: torch.device
    notes: tuple[str, ...] = ()


def load_detector(
    weights: Path, name: str | None, overrides: Sequence[str], device: str, group: Group = ALONE
) -> Trained:
    """The detector that some weights belong to.

    Args:
        weights: a run folder, whose best epoch is taken, or a weights file.
        name: for weights that do not carry their configuration; shipped detectors are recognised without it.
        overrides: assignments to the configuration.
        device: as for `device_named`.
        group: the processes that each load it.

    Raises:
        InputError: no such weights, detector or device, or they do not fit each other.
    """
    path = RunFolder(weights).best if weights.is_dir() else weights
    config = _config_of(weights, path, name, overrides)
    on = device_named(device, group)
    detector = build_detector(config, pretrained=False)
    metadata = load_weights(detector, path)
    detector.to(device=on, memory_format=torch.channels_last)  # type: ignore[call-overload]
    notes = (*other_network(config), *_of_plugin(config, detector), *_other_reconstructions(config, metadata, path))
    return Trained(detector, config, path, on, notes)


def other_network(config: DetectorConfig) -> tuple[str, ...]:
    """A note that says so, if a shipped detector has another network than its files and their variants name."""
    name = config.model_name
    if name not in config_names(DetectorConfig) or config.backbone_name in _networks_of(name):
        return ()
    return (f"{name}: {_network(config)}, in place of {_network(load_config(DetectorConfig, name))}",)


def _of_plugin(config: DetectorConfig, detector: AbstractDetector) -> tuple[str, ...]:
    """A note that names the plugin file that defines a detector, if one does."""
    plugin = PluginFile.of(type(detector))
    return (f"{config.model_name}: defined by the plugin {plugin.name}, sha256 {plugin.sha256[:12]}",) if plugin else ()


@cache
def _networks_of(model_name: str) -> frozenset[str]:
    """The backbones of all shipped files of a detector and of their variants."""
    files = [
        name for name in config_names(DetectorConfig) if load_config(DetectorConfig, name).model_name == model_name
    ]
    names = [*files, *(variant for name in files for variant in variant_names(DetectorConfig, name))]
    return frozenset(load_config(DetectorConfig, name).backbone_name for name in names)


def device_named(name: str, group: Group = ALONE) -> torch.device:
    """The torch device of a name; "auto" is a GPU when there is one, and each process of a group has its own.

    Raises:
        InputError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if group.size > 1:
        if name not in ("cuda", "cpu"):
            raise InputError(f"--device {name}: each process of torchrun has its own GPU; give cuda, cpu or auto")
        name = f"cuda:{group.local_rank}" if name == "cuda" else name
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise InputError(f"--device {name}: no such device here") from None
    return device


def loaders(given: int | None, config: DetectorConfig, group: Group = ALONE) -> int:
    """Reading processes: on a CPU they share the cores with the network's threads, so that more are no help."""
    return min(config.workers, max(1, cores() // group.local_size - 1)) if given is None else given


def _network(config: DetectorConfig) -> str:
    """A network in a few words, with the settings that the demo makes cheaper."""
    keys = [assignment.partition("=")[0] for assignment in DETECTOR[config.model_name].light]
    options = [key.removeprefix("options.") for key in keys if key.startswith("options.")]
    cheaper = "".join(f", {option} {config.options.get(option)}" for option in options)
    return f"{config.backbone_name} at {config.resolution} pixels, trained with {config.optimizer.type}{cheaper}"


def _other_reconstructions(config: DetectorConfig, metadata: Mapping[str, str], path: Path) -> Iterator[str]:
    """A note for each substitute that made reconstructions which the weights learnt from."""
    where = f"{path} is damaged where it says what reconstructions it was trained on"
    for kind, model in models_from_json(metadata.get(RECONSTRUCTIONS, "{}"), where).items():
        if model.is_substitute:
            yield f"{config.model_name}: trained on reconstructions ({kind}) by {model}"


def _config_of(weights: Path, path: Path, name: str | None, overrides: Sequence[str]) -> DetectorConfig:
    """The configuration of weights: the run's, the one stored in the file, or the named or recognised detector's."""
    if weights.is_dir():
        run = RunFolder(weights)
        if not run.config.is_file() or not run.best.is_file():
            raise InputError(f"{weights} is no run folder: it lacks {run.config.name} or {run.best.name}")
        return load_config(DetectorConfig, run.config, overrides)
    if name:
        return load_config(DetectorConfig, name, overrides)
    state, metadata = read_weights(path)
    if "config" in metadata:
        return parse_config(DetectorConfig, metadata["config"], overrides, f"the configuration in {path}")
    name = recognise(state)
    if name is None:
        known = ", ".join(config_names(DetectorConfig))
        advice = nearest(state) or resemblance(state) or f"name one with --detector ({known})"
        raise InputError(f"{path} fits no detector of this project; {advice}")
    alike = [other for other in look_alikes(state) if other != name]
    if alike:
        log.warning("%s is taken for '%s'; files of %s have the same tensors", path, name, " and ".join(alike))
    return load_config(DetectorConfig, name, overrides)
