"""What the processes of one job tell each other, and how they end together."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from config.errors import InputError
from config.processes import ALONE, Group, join
from tests.processes import run_all


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with join("cpu") as group:
        assert group == ALONE
    values = torch.arange(3.0)
    assert (ALONE.leads, ALONE.gather("x"), ALONE.follow("y")) == (True, ["x"], "y")
    assert torch.equal(ALONE.mean(values), values)
    assert torch.equal(ALONE.join(values), values)
    ALONE.align(nn.BatchNorm1d(2))


def talk(group: Group, out: Path) -> None:
    layer = nn.BatchNorm1d(2)
    with torch.no_grad():
        layer.weight.fill_(group.rank + 5)
        layer.running_mean.fill_(group.rank + 7)  # type: ignore[union-attr]
    group.align(layer)
    heard = {
        "who": [group.rank, group.size, group.local_rank, group.local_size, group.leads],
        "gathered": group.gather({"rank": group.rank}),
        "followed": group.follow(f"said by {group.rank}"),
        "mean": group.mean(torch.tensor([group.rank, 2.0 * group.rank, float("nan") if group.rank else 0])).tolist(),
        "joined": group.join(torch.arange(6.0).view(3, 2)[:, :1] + 10 * group.rank).tolist(),
        "aligned": [layer.weight[0].item(), layer.running_mean[0].item()],  # type: ignore[index]
    }
    (out / f"{group.rank}.json").write_text(json.dumps(heard))


def test_processes_hear_each_other(tmp_path: Path):
    assert run_all(talk, tmp_path, size=2) == [0, 0]
    for rank in (0, 1):
        heard = json.loads((tmp_path / f"{rank}.json").read_text())
        assert heard["who"] == [rank, 2, rank, 2, rank == 0]
        assert heard["gathered"] == [{"rank": 0}, {"rank": 1}]
        assert heard["followed"] == "said by 0"
        assert heard["mean"][:2] == [0.5, 1.0]
        assert heard["mean"][2] != heard["mean"][2]
        assert heard["joined"] == [[0], [10], [2], [12], [4], [14]], "in the order of the joint batch"
        assert heard["aligned"] == [5, 7]


def fail(group: Group, failing: tuple[int, ...]) -> None:
    if group.rank in failing:
        raise InputError("this cannot be done")
    group.gather("waits for the others")


@pytest.mark.parametrize("failing", [(0,), (1,), (0, 1)])
def test_an_error_anywhere_ends_all_and_is_told_once(tmp_path: Path, failing: tuple[int, ...]):
    assert run_all(fail, failing, size=2, words=tmp_path / "words") == [2, 2]
    assert (tmp_path / "words").read_text() == "assay: this cannot be done\n"
