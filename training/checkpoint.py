"""The folder of a run, and its state: one file, whole or absent, read without running pickled code."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from config.errors import InputError
from config.files import atomic_path, sweep, write_text
from config.load import load_config, to_yaml
from config.schema import DetectorConfig

WITHOUT_EFFECT = {"workers", "test_batchSize", "test_dataset"}
"""Keys that may change between a run and its resumption, because the weights do not depend on them."""


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write nested containers of tensors, numbers and strings; a reader sees the old file or the whole new one.

    Raises:
        InputError: the file cannot be written.
    """
    content = io.BytesIO()  # torch hides why a file could not be written
    torch.save(dict(state), content)
    with atomic_path(path) as scratch:
        scratch.write_bytes(content.getbuffer())


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote, on the CPU.

    Raises:
        InputError: the file cannot be read, is damaged, or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path} is not a training state that can be resumed from: damaged or no such file") from error
    if not isinstance(state, dict):
        raise InputError(f"{path} is not a training state: expected names and values, found {type(state).__name__}")
    return state


def unsaved_buffers(module: nn.Module) -> dict[str, Tensor]:
    """The non-persistent buffers by name: what training goes on from, and a state dict leaves out."""
    saved = module.state_dict().keys()
    return {name: buffer for name, buffer in module.named_buffers() if name not in saved}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a training run."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def journal(self) -> Path:
        """One JSON object per logged step and per epoch."""
        return self.path / "log.jsonl"

    @property
    def state(self) -> Path:
        """What an interrupted run goes on from."""
        return self.path / "state.pt"

    @property
    def best(self) -> Path:
        """Weights of the selected epoch."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """Weights of the last finished epoch."""
        return self.path / "last.safetensors"

    def weights_of(self, epoch: int) -> Path:
        """Weights after one epoch, where every epoch's are kept; `epoch` counts from 0, the file's name from 1."""
        return self.path / "epochs" / f"{epoch + 1:03}.safetensors"

    def epochs(self) -> list[tuple[int, Path]]:
        """The epochs whose weights are kept, counted from 0, and these."""
        kept = sorted((self.path / "epochs").glob("*.safetensors"))
        return [(int(path.stem) - 1, path) for path in kept if path.stem.isdecimal()]


def open_run(path: Path, config: DetectorConfig, resume: bool) -> RunFolder:
    """Make or enter the folder of a run and put its configuration there.

    Args:
        path: the folder.
        config: the resolved configuration.
        resume: whether a run that is there is to be gone on with.

    Raises:
        InputError: the folder cannot be written, holds a run of another configuration, or holds a run and `resume` is
            not set.
    """
    run = RunFolder(path)
    if run.config.is_file() and run.state.is_file():  # without a state nothing was trained that could be lost
        found = _flat(load_config(DetectorConfig, run.config).model_dump(mode="json"))
        wanted = _flat(config.model_dump(mode="json"))
        differing = [key for key in wanted if found.get(key) != wanted[key] and key not in WITHOUT_EFFECT]
        if differing:
            key, others = differing[0], len(differing) - 1
            more = f" (and {others} more keys differ)" if others else ""
            raise InputError(
                f"{path} holds a run of another configuration: {key} is {found.get(key)!r} there, "
                f"not {wanted[key]!r}{more}; choose another folder"
            )
        if not resume:
            raise InputError(
                f"{path} already holds a run of this configuration: resume it (--resume), or choose another folder"
            )
        for folder in (path, run.weights_of(0).parent):
            sweep(folder)
        return run
    write_text(run.config, to_yaml(config))
    return run


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree}
    dot = prefix and f"{prefix}."
    return {key: value for name, part in tree.items() for key, value in _flat(part, f"{dot}{name}").items()}
