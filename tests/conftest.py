"""What holds for all tests: one thread for torch, property tests that judge results, and processes that start fast."""

import os
from collections.abc import Iterator

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
