"""DeepfakeBench's registries as its files use them: what they register stands beside what this project has."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import detectors
from benchmark.deepfakebench.detector import adapted
from config.errors import InputError, unknown
from config.load import validate
from config.registry import Registry
from config.schema import BackboneConfig
from detectors.backbones.base import Backbone

T = TypeVar("T")


class FileRegistry:
    """A registry of the project with what DeepfakeBench's files add; those of the files are for the files alone.

    Args:
        project: the project's registry.
        translated: makes of an entry of the project, given its name, what the files expect.
    """

    def __init__(self, project: Registry[Any], translated: Callable[[str, Any], Any]) -> None:
        self._project, self._translated = project, translated
        self._own: Registry[Any] = Registry(project.kind)

    def register_module(self, module_name: str | None = None) -> Callable[[T], T]:
        """Decorator that files a class or function under `module_name`, by default its own.

        Raises:
            InputError: the name is taken.
        """

        def decorate(entry: T) -> T:
            name = module_name or entry.__name__  # type: ignore[attr-defined]
            if name in self._project:
                taken_by = self._project.origin(name)
                raise InputError(
                    f"{self._project.kind} '{name}' of {entry.__module__} is already registered by {taken_by}"
                )
            return self._own.register_module(name)(entry)

        return decorate

    def __getitem__(self, name: str) -> Any:
        """The entry called `name`.

        Raises:
            InputError: no such name.
        """
        if name in self._own:
            return self._own[name]
        if name not in self._project:
            raise unknown(self._project.kind, name, [*self._own.names(), *self._project.names()])
        return self._translated(name, self._project[name])


class DetectorRegistry:
    """`DETECTOR` for DeepfakeBench's files: what they register is a detector of the project's, adapted."""

    def register_module(self, module_name: str | None = None) -> Callable[[type[nn.Module]], type[nn.Module]]:
        """Decorator that registers a class with the project and returns it as it was, by default under its own name.

        Raises:
            InputError: the name is taken.
        """

        def decorate(entry: type[nn.Module]) -> type[nn.Module]:
            detectors.DETECTOR.register_module(module_name or entry.__name__)(adapted(entry))
            return entry

        return decorate

    def __getitem__(self, name: str) -> type[nn.Module]:
        """The project's detector called `name`; errors as there."""
        return detectors.DETECTOR[name]


class AbstractLossClass(nn.Module):
    """Base class of DeepfakeBench's losses: `forward(pred, label)` gives a scalar."""


class CrossEntropyOfProbabilities(AbstractLossClass):
    """DeepfakeBench's `bce`: mean binary cross-entropy of probabilities, where this project's is of logits."""

    def forward(self, pred: Tensor, label: Tensor) -> Tensor:
        """A scalar in nats, of probabilities and targets of one shape."""
        with torch.autocast(pred.device.type, enabled=False):
            return F.binary_cross_entropy(pred.float(), label.float())


OTHERWISE_THERE: Mapping[str, type[nn.Module]] = {"bce": CrossEntropyOfProbabilities}
"""Losses that mean something else in DeepfakeBench than here."""


def _from_dict(name: str, backbone: type[Backbone]) -> Callable[[Mapping[str, Any]], Backbone]:
    """A backbone of the project, made from a dict."""
    return lambda config: backbone(validate(BackboneConfig, config, f"backbone_config of {name}"))


DETECTOR = DetectorRegistry()
BACKBONE = FileRegistry(detectors.BACKBONE, _from_dict)
LOSSFUNC = FileRegistry(detectors.LOSSFUNC, OTHERWISE_THERE.get)
