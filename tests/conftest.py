"""What holds for all tests: one thread for torch, property tests that judge results, and processes that start fast."""

import os
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import settings

from preprocessing import workers
from preprocessing.perturbations import PERTURBATION

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Small networks on shared cores: one thread is quicker than several that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def ready_processes() -> None:
    """Tests start dozens of processes that train: their server imports once what each would import first."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # as the command line sets it
    workers.HEAVY_LIBRARIES += ["torch._dynamo", "training.trainer", "evaluation.scoring"]


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plugin registers is forgotten afterwards."""
    monkeypatch.setattr(PERTURBATION, "_entries", dict(PERTURBATION._entries))


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of the equal blocks of the deepest networks: quicker, and bfloat16's rounding does not add up over a hundred.

    Vision Transformers have two, in place of up to 1.2 GB of them, ResNets with bottlenecks one in each stage, and
    HRNet's later stages one module of one block.
    """
    import timm
    from timm.models.hrnet import cfg_cls
    from torchvision.models.resnet import Bottleneck, ResNet

    from detectors.backbones import vit
    from detectors.backbones.resnet import ResNet50, ResNet101

    for stage in ("stage2", "stage3", "stage4"):
        monkeypatch.setitem(cfg_cls["hrnet_w48"], stage, _shallow_stage(cfg_cls["hrnet_w48"][stage]))
    monkeypatch.setattr(vit, "timm", SimpleNamespace(create_model=partial(timm.create_model, depth=2)))
    for backbone in (ResNet50, ResNet101):
        monkeypatch.setattr(backbone, "build", staticmethod(partial(ResNet, Bottleneck, [1, 1, 1, 1])))


def _shallow_stage(settings: dict[str, Any]) -> dict[str, Any]:
    blocks = tuple(1 for _ in settings["num_blocks"])
    return settings | {"num_modules": 1, "num_blocks": blocks}
