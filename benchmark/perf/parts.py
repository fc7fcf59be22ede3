"""The parts of a detector, each alone on what it was given in a real training step.

A part is a direct child module of the detector, or a member of a list or dict of modules that is one. What a part does
within itself, or has another part do, is its own, so that nothing is counted twice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor, nn

from detectors.backbones.base import Backbone
from detectors.base import AbstractDetector

BACKBONE_METHODS = ("features", "stages", "features_of_stage", "pyramid", "pool", "classifier")
"""What detectors call of a backbone beside `forward`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a part in a training step, which can be repeated.

    Attributes:
        part: its name in the detector, and the method if it is not `forward`.
        method: what was called.
        arguments: what it was given: tensors cut off from what had made them, and whatever else.
        keywords: likewise.
        autocast: the kind of device, and the type that autocast computed in there; None without autocast.
        with_gradients: whether gradients were enabled.
        gradients: by the position of an output tensor the gradient that came back to it. None came to the others.
    """

    part: str
    method: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    autocast: tuple[str, torch.dtype] | None
    with_gradients: bool
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def again(self) -> None:
        """Forward, and backward from the gradients of its outputs; those of its parameters are added to them."""
        arguments, keywords = _mapped((self.arguments, self.keywords), _given_again)
        device_type, dtype = self.autocast or ("cpu", torch.bfloat16)
        with (
            torch.autocast(device_type, dtype, enabled=self.autocast is not None),
            torch.set_grad_enabled(self.with_gradients),
        ):
            outputs = _tensors(self.method(*arguments, **keywords))
        if self.gradients:
            torch.autograd.backward([outputs[place] for place in self.gradients], list(self.gradients.values()))


def record_calls(detector: AbstractDetector, work: Callable[[], object]) -> list[Call]:
    """How some work uses the parts of a detector; the detector itself is left as the work leaves it.

    Args:
        detector: whose parts they are.
        work: forward and backward passes.
    """
    calls: list[Call] = []
    with _watched(detector, calls):
        work()
    return calls


def by_part(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """The calls of each part, in the order of their first use; how often it was used stands behind it: "head (2)"."""
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        found[call.part].append(call)
    return {name if len(uses) == 1 else f"{name} ({len(uses)})": uses for name, uses in found.items()}


@contextmanager
def _watched(detector: nn.Module, calls: list[Call]) -> Iterator[None]:
    """Each use of a part, but for uses within another, is noted as long as this lasts."""
    inside: list[str] = []
    with ExitStack() as undone:
        for name, part in _parts(detector):
            for method in _methods(part):
                undone.callback(_restore, part, method, part.__dict__.get(method))
                label = name if method == "forward" else f"{name}.{method}"
                setattr(part, method, _noting(label, getattr(part, method), inside, calls))
        yield


def _restore(part: nn.Module, method: str, own: Callable[..., Any] | None) -> None:
    """Give a module its method back: its own, or else its class's."""
    delattr(part, method)
    if own is not None:
        setattr(part, method, own)


def _parts(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from ((f"{name}.{inner}", part) for inner, part in _parts(child))
        else:
            yield name, child


def _methods(part: nn.Module) -> tuple[str, ...]:
    return ("forward", *BACKBONE_METHODS) if isinstance(part, Backbone) else ("forward",)


def _noting(name: str, method: Callable[..., Any], inside: list[str], calls: list[Call]) -> Callable[..., Any]:
    @wraps(method)
    def noted(*arguments: Any, **keywords: Any) -> Any:
        if inside:
            return method(*arguments, **keywords)
        given, named = _mapped((arguments, keywords), _cut_off)
        call = Call(name, method, given, named, _autocast(arguments, keywords), torch.is_grad_enabled())
        inside.append(name)
        try:
            outputs = method(*arguments, **keywords)
        finally:
            inside.pop()
        # What the part itself makes of an output has its share in the gradient of that, but not in that of a view.
        handed_on = _mapped(outputs, lambda tensor: tensor.view_as(tensor))
        for place, output in enumerate(_tensors(handed_on)):
            if output.requires_grad:
                output.register_hook(partial(call.gradients.__setitem__, place))
        calls.append(call)
        return handed_on

    return noted


def _autocast(*given: Any) -> tuple[str, torch.dtype] | None:
    """Autocast on the device of what is given."""
    kinds = {tensor.device.type for tensor in _tensors(given)}
    on = [kind for kind in sorted(kinds) if torch.is_autocast_enabled(kind)]
    return (on[0], torch.get_autocast_dtype(on[0])) if on else None


def _cut_off(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_(tensor.requires_grad)


def _given_again(tensor: Tensor) -> Tensor:
    """A tensor to give a part; a part may change it, which autograd forbids for one that nothing has made."""
    tensor.grad = None
    return tensor.clone() if tensor.requires_grad else tensor


def _tensors(values: Any) -> list[Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    found: list[Tensor] = []
    _mapped(values, found.append)
    return found


def _mapped(values: Any, change: Callable[[Tensor], Any]) -> Any:
    """Nested lists, tuples and dicts with each tensor changed."""
    if isinstance(values, Tensor):
        return change(values)
    if isinstance(values, Mapping):
        return {key: _mapped(value, change) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(_mapped(value, change) for value in values)
    return values
