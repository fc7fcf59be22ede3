"""`assay data check`: whether a data set on disk is what it should be, in the terminal or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from benchmark.describe import describe, whole_of
from benchmark.progress import progress
from config.errors import unknown
from config.load import load_config
from config.schema import DatasetConfig
from evaluation.render import to_rich
from evaluation.tables import Column, Table
from preprocessing.integrity.check import check_integrity
from preprocessing.integrity.report import Finding, Integrity, Separation, Tally
from preprocessing.integrity.separability import ALL_FAKES
from preprocessing.layouts.media import SPLITS
from preprocessing.workers import cores

MOST_EXAMPLES = 5
STYLES = {"invalid": "bold red", "warning": "yellow", "info": "dim"}


def check_dataset(
    dataset: str,
    root: Path,
    *,
    compression: str | None = None,
    split: str | None = None,
    quick: bool = False,
    workers: int | None = None,
    console: Console,
) -> Integrity:
    """Check a data set or a part of one, with a progress bar; arguments and errors as `check_integrity`."""
    if split is not None and split not in SPLITS:
        raise unknown("split", split, SPLITS)
    whole = whole_of(dataset)
    config = _narrowed(load_config(DatasetConfig, whole), dataset) if whole else describe(dataset)
    with progress(f"check {config.name}", console) as report:
        return check_integrity(
            config,
            root,
            compression=compression,
            split=split,
            quick=quick,
            workers=cores() if workers is None else workers,
            on_progress=report,
        )


def to_json(found: Integrity) -> str:
    """All that was found, with every example, and whether a reproduction would be valid."""
    return json.dumps({"valid": found.valid, **asdict(found)}, indent=2, ensure_ascii=False)


def show(found: Integrity, console: Console) -> None:
    """Counts, what properties of files tell, findings with a few examples each, and the verdict."""
    for table in (
        count_table("Media of each class", "Class", found.classes),
        count_table("Media of each method", "Method", found.methods),
        separation_table(found.separations),
    ):
        if table.rows:
            console.print(to_rich(table))
    for finding in found.findings:
        _show_finding(finding, console)
    console.print(verdict(found), highlight=False)


def verdict(found: Integrity) -> str:
    """One line: how much there is, and whether it will do."""
    said = "nothing speaks against" if found.valid else "not valid for"
    looked = " (no file was opened)" if found.quick else ""
    return f"{found.dataset}: {found.media:,} media in {found.files:,} files{looked}, {said} a reproduction"


def count_table(caption: str, header: str, tallies: Sequence[Tally]) -> Table:
    """A row for each name and compression level, columns for each split; with expected counts if any is known."""
    by_place = {(tally.name, tally.compression, tally.split): tally for tally in tallies}
    rows = list(dict.fromkeys((tally.name, tally.compression) for tally in tallies))
    splits = list(dict.fromkeys([*SPLITS, *(tally.split for tally in tallies)]))
    numbers = ("found", "expected") if any(tally.expected is not None for tally in tallies) else ("found",)
    return Table(
        caption,
        header,
        rows=tuple(" ".join(filter(None, row)) for row in rows),
        columns=tuple(
            Column(number, higher_is_better=None, group=split or "no split", format=",d")
            for split in splits
            for number in numbers
        ),
        values=tuple(
            tuple(getattr(by_place.get((*row, split)), number, None) for split in splits for number in numbers)
            for row in rows
        ),
    )


def separation_table(separations: Sequence[Separation]) -> Table:
    """What each property tells of all fakes, and of those methods that stand out."""
    shown = [found for found in separations if found.fakes == ALL_FAKES or found.suspicious]
    return Table(
        "How well a property of the files alone tells real from fake",
        "Property",
        rows=tuple(f"{found.property}, {found.fakes}" for found in shown),
        columns=(
            Column("real media", higher_is_better=None, format=",d"),
            Column("fake media", higher_is_better=None, format=",d"),
            Column("real mean", higher_is_better=None, format=",.4g"),
            Column("fake mean", higher_is_better=None, format=",.4g"),
            Column("AUC", higher_is_better=None, format=".2f"),
            Column("accuracy", higher_is_better=None, format=".2f"),
        ),
        values=tuple(
            (found.n_real, found.n_fake, _number(found.real), _number(found.fake), found.auc, found.accuracy)
            for found in shown
        ),
        footnotes=(
            "accuracy: balanced, of calling a value what it mostly is; AUC: of larger values in fakes; 0.5: nothing",
        ),
    )


def _narrowed(config: DatasetConfig, part: str) -> DatasetConfig:
    """The description of a part: its classes alone, of which it needs all, and what is expected of them."""
    names = config.parts[part]
    expected = [count for count in config.card.expected if count.class_name in names]
    changes = {
        "classes": [
            entry.model_copy(update={"optional": False}) for entry in config.classes if entry.class_name in names
        ],
        "card": config.card.model_copy(update={"expected": expected}),
    }
    return config.model_copy(update=changes)


def _show_finding(finding: Finding, console: Console) -> None:
    count = f": {len(finding.examples):,}" if finding.examples else ""
    console.print(Text.assemble((f"{finding.severity:9}", STYLES[finding.severity]), finding.message, count))
    more = ["..."] if len(finding.examples) > MOST_EXAMPLES else []
    for example in (*finding.examples[:MOST_EXAMPLES], *more):
        console.print(Text(f"           {example}"), soft_wrap=False, no_wrap=True, overflow="ellipsis")


def _number(value: float | str) -> float | None:
    return None if isinstance(value, str) else value
