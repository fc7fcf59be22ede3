"""The command line, called as a user would."""

import sys
from typing import NamedTuple

import pytest

from benchmark.cli import main
from tests.benchmark.demo_media import demo, faces
from tests.benchmark.small_demo import small_demo

__all__ = ["demo", "faces", "small_demo"]


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def assay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `assay ARGUMENTS` in this process."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return Answer(int(stopped.value.code or 0), *capsys.readouterr())

    return call
