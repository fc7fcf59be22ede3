"""The modules that DeepfakeBench's files import from, offered to one file at a time by an `__import__` of its own.

The file alone sees them: `sys.modules` is left as it is, where `detectors` is this project's package.
"""

import builtins
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.deepfakebench.detector import AbstractDetector
from benchmark.deepfakebench.metrics import calculate_metrics_for_train
from benchmark.deepfakebench.registries import BACKBONE, DETECTOR, LOSSFUNC, AbstractLossClass
from config.errors import InputError

OFFERED: Mapping[str, Mapping[str, Any]] = {
    "detectors": {"DETECTOR": DETECTOR},
    "detectors.base_detector": {"AbstractDetector": AbstractDetector},
    "loss": {"LOSSFUNC": LOSSFUNC},
    "loss.abstract_loss_func": {"AbstractLossClass": AbstractLossClass},
    "metrics": {},
    "metrics.base_metrics_class": {"calculate_metrics_for_train": calculate_metrics_for_train},
    "metrics.registry": {"BACKBONE": BACKBONE, "DETECTOR": DETECTOR, "LOSSFUNC": LOSSFUNC},
    "networks": {"BACKBONE": BACKBONE},
}
"""What there is, by module and name."""

BOARD = "torch.utils.tensorboard"  # nearly all files import its writer, and do nothing with it


class NotOfferedError(InputError, ImportError):
    """A file imports what is not offered; to the file it is the `ImportError` that it may be prepared for."""


class SummaryWriter:
    """Stands in for TensorBoard's where that is not installed, so that a file that only imports it can be read."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise InputError("the plugin writes to TensorBoard, which is not installed: pip install tensorboard")


class Importer:
    """What `import` does in one file: DeepfakeBench's modules come from `OFFERED`, all others as always.

    Args:
        file: the file, for error messages.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._modules = {name: ModuleType(name) for name in OFFERED}
        for name, module in self._modules.items():
            vars(module).update(OFFERED[name])
            package, _, last = name.rpartition(".")
            if package:
                setattr(self._modules[package], last, module)

    def __call__(
        self,
        name: str,
        namespace: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """As `__import__`.

        Raises:
            NotOfferedError: a module or a name that DeepfakeBench may have, but that is not offered.
        """
        if name == BOARD and fromlist and importlib.util.find_spec("tensorboard") is None:
            board = ModuleType(BOARD)
            board.__dict__["SummaryWriter"] = SummaryWriter
            return board
        if level == 0 and name.partition(".")[0] not in OFFERED:
            return builtins.__import__(name, namespace, local, fromlist or (), level)
        full = self._full_name(name) if level else name
        if full not in self._modules:
            raise NotOfferedError(
                f"--plugin: {self._file} imports '{'.' * level}{name}', which is not offered; "
                f"of DeepfakeBench's modules there are {', '.join(OFFERED)}"
            )
        module = self._modules[full]
        for wanted in fromlist or ():
            if wanted != "*" and not hasattr(module, wanted):
                raise NotOfferedError(
                    f"--plugin: {self._file} imports '{wanted}' from '{full}', which offers "
                    f"{', '.join(OFFERED[full]) or 'nothing by itself'}"
                )
        return module if fromlist else self._modules[full.partition(".")[0]]

    def _full_name(self, name: str) -> str:
        """The offered module that a relative import means, whichever folder of DeepfakeBench the file is from."""
        return next((full for full in OFFERED if full == name or full.endswith(f".{name}")), name)
