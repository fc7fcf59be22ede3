"""DeepfakeBench's base class, and how a detector written for it becomes one of this project."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.deepfakebench.settings import Settings, pretrained_file, settings_of
from config.errors import InputError
from config.registry import plugin_of
from config.schema import DetectorConfig
from detectors import base
from detectors.base import DataDict, FitContext, PredDict
from detectors.weights import weights_sha256


class AbstractDetector(base.AbstractDetector):
    """DeepfakeBench's base class: builds nothing, because a detector's own `__init__` does."""

    def __init__(self, config: Mapping[str, Any] | None = None, load_param: bool | str = False) -> None:
        nn.Module.__init__(self)


class Adapted(AbstractDetector):
    """Stands before a class of DeepfakeBench's and translates between it and the project.

    The class gets its configuration as a dict, and batches with DeepfakeBench's keys. Its tensors keep their names.

    Attributes:
        file: the plugin file.
        version: the file has no version, so its hash is; a result belongs to one state of the file.
    """

    file: ClassVar[Path]
    needs_pretrained = True

    def __init__(self, config: DetectorConfig) -> None:
        """Build it as the file does.

        Raises:
            InputError: the configuration lacks a key or names a file that is not there.
        """
        settings = settings_of(config)
        try:
            super().__init__(settings)
        except FileNotFoundError as error:
            missing = error.filename
            advice = " (as in DeepfakeBench it is read to evaluate, too)" if missing == settings["pretrained"] else ""
            raise InputError(
                f"{self.file.name}: '{config.model_name}' reads {missing}, which is not there{advice}"
            ) from error
        own = self.__dict__.get("config", settings)
        self.config = own if isinstance(own, Settings) else Settings(own, config)  # type: ignore[assignment]

    @classmethod
    def imagenet_file(cls, config: DetectorConfig) -> Path | None:
        """The file that the plugin is given as `pretrained`."""
        return pretrained_file(config)

    @property
    def initialisation(self) -> str:
        """The plugin does it, from the file that it was given."""
        path = pretrained_file(self.config)
        given = f", given {path.name}, sha256 {weights_sha256(path)}" if path and path.is_file() else ""
        return f"as {self.file.name} does{given}"

    def to(self, *args: Any, **kwargs: Any) -> "Adapted":
        """As for any network, but never to channels_last: files flatten maps with `view`, which that forbids."""
        kwargs.pop("memory_format", None)
        return super().to(*args, **kwargs)

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        """Score a batch, by the class's own `forward`; `prob` becomes float32 of shape (B,)."""
        predictions = super().forward(_theirs(data_dict), inference)
        return {**predictions, "prob": predictions["prob"].float().flatten()}

    def get_losses(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """The class's own losses; plain numbers become tensors."""
        losses = super().get_losses(_theirs(data_dict), pred_dict)
        return _tensors(losses, data_dict["image"].device)

    def get_train_metrics(self, data_dict: DataDict, pred_dict: PredDict) -> dict[str, Tensor]:
        """The class's own metrics; one that the batch does not have is NaN."""
        metrics = super().get_train_metrics(_theirs(data_dict), pred_dict)
        return _tensors(metrics, data_dict["image"].device)

    def on_fit_start(self, context: FitContext) -> None:
        """DeepfakeBench's loop sets `device` and `epoch`."""
        super().on_fit_start(context)
        self.device = context.device

    def on_epoch_start(self, epoch: int) -> None:
        """Called before the first batch of an epoch; epochs count from 0."""
        super().on_epoch_start(epoch)
        self.epoch = epoch


def adapted(detector: type[nn.Module]) -> type[base.AbstractDetector]:
    """The detector of this project that a class of a plugin file makes, under the class's name.

    Args:
        detector: a subclass of `AbstractDetector`, or a network with the same methods.
    """
    file = plugin_of(detector)
    if file is None:
        raise InputError(f"detector '{detector.__name__}' of {detector.__module__} is not of a plugin file")
    return type(
        detector.__name__,
        (Adapted, detector, AbstractDetector),
        {
            "__module__": detector.__module__,
            "__qualname__": detector.__qualname__,
            "__doc__": detector.__doc__ or "",
            "file": file,
            "version": int(weights_sha256(file)[:8], 16),
        },
    )


def _theirs(data_dict: DataDict) -> dict[str, Any]:
    """A batch as DeepfakeBench's files know it.

    What is not loaded is None; a mask is (B, H, W, 1). Where labels are not known, older files count hits against those
    that stand in for them, and nothing else is made of the count.
    """
    image = data_dict["image"].contiguous()
    batch = {"landmark": None, "mask": None, "label": image.new_zeros(len(image), dtype=torch.long)}
    batch |= {**data_dict, "image": image}
    mask = batch["mask"]
    return batch if mask is None else batch | {"mask": mask.permute(0, 2, 3, 1)}


def _tensors(scalars: Mapping[str, Any], device: torch.device) -> dict[str, Tensor]:
    values = {name: math.nan if value is None else value for name, value in scalars.items()}
    return {name: torch.as_tensor(value, device=device) for name, value in values.items()}
