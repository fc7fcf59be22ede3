"""What runs are called in tables and reports, and which score tables make up one run."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from typing import Protocol as Shape
from typing import TypeVar

from evaluation.protocol import CORRECTED, Protocol
from evaluation.scores import ScoreRecord


class ScoredByRun(Shape):
    """What is known of a score table wherever runs are gathered: its path, its record, its test set."""

    @property
    def path(self) -> Path: ...  # noqa: D102

    @property
    def record(self) -> ScoreRecord: ...  # noqa: D102

    @property
    def test_set(self) -> str: ...  # noqa: D102


S = TypeVar("S", bound=ScoredByRun)


def run_name(path: Path, record: ScoreRecord) -> str:
    """The detector, with the run's folder when that says something else, and with a protocol that is not ours."""
    folder = path.parent.parent.parent.name
    return name_of_run(record.detector, "" if folder == "runs" else folder, record.protocol)


def name_of_run(detector: str, folder: str, protocol: str = CORRECTED) -> str:
    """What a run is called: "sbi", by its folder "sbi-1a2b3c4d5e" or "sbi (second try)", "sbi (dfb_legacy)".

    Args:
        detector: its name.
        folder: of the run; empty where there is none.
        protocol: of its scores.
    """
    name = folder if folder.startswith(f"{detector}-") else detector
    about = [*([folder] if folder not in {name, ""} else []), *([protocol] if protocol != CORRECTED else [])]
    return f"{name} ({', '.join(about)})" if about else name


def runs_apart(tables: Sequence[S]) -> dict[str, list[S]]:
    """The score tables of each run by its name, in order of the names.

    Where tables of one name are of several runs, their folders tell these apart.
    """
    by_name: dict[str, list[S]] = defaultdict(list)
    for table in tables:
        by_name[run_name(table.path, table.record)].append(table)
    apart: dict[str, list[S]] = {}
    for name, alike in sorted(by_name.items()):
        by_folder: dict[Path, list[S]] = defaultdict(list)
        for table in alike:
            by_folder[table.path.resolve().parent.parent].append(table)
        if len(by_folder) == 1 or _is_one_run(alike):
            apart[name] = alike
            continue
        common = commonpath(by_folder)
        apart |= {f"{name}, {folder.relative_to(common).as_posix()}": own for folder, own in by_folder.items()}
    return apart


def _is_one_run(tables: Sequence[ScoredByRun]) -> bool:
    """Whether each test set is there once, scored with the same weights unless each set chose its own."""
    weights = {each.record.weights_sha256 for each in tables if not _chose_on_test(each.record)}
    return len(weights) < 2 and max(Counter(each.test_set for each in tables).values()) == 1


def _chose_on_test(record: ScoreRecord) -> bool:
    return Protocol.parse(record.protocol).selected_on_test
