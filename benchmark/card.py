"""`assay data card`: what a data set is, in words."""

from collections.abc import Iterator

from benchmark.describe import describe, whole_of
from config.schema import DatasetConfig
from preprocessing import LAYOUT


def card_of(dataset: str) -> str:
    """The card of a data set, or of the one that a part belongs to, as text.

    Raises:
        InputError: no such data set.
    """
    return "\n".join(_lines(describe(whole_of(dataset) or dataset)))


def _lines(config: DatasetConfig) -> Iterator[str]:
    card = config.card
    yield config.title
    for name, text in (
        ("paper", card.paper),
        ("access", card.access),
        ("licence", card.licence),
        ("note", config.note),
    ):
        if text:
            yield f"{name:8} {text}"
    if card.tables:
        yield f"{'tables':8} {'; '.join(card.tables)}"
    yield f"{'layout':8} {LAYOUT.about(config.layout)}"
    yield from _folders(config)
    yield from _expected(config)
    for part, classes in config.parts.items():
        yield f"part     {part}: {', '.join(classes)}"
    for name, texts in (
        ("defects", card.defects),
        ("rules", card.rules),
        ("from memory, to be checked", card.from_memory),
    ):
        if texts:
            yield f"{name}:"
            yield from (f"  - {text}" for text in texts)


def _folders(config: DatasetConfig) -> Iterator[str]:
    """A line for each class: the folders below the root to choose from, by split if these have names of their own."""
    if config.classes:
        yield "below --root:"
    for entry in config.classes:
        masks = f" (masks in {entry.masks})" if entry.masks else ""
        missed = ", not needed" if entry.optional else ""
        shared = f" (footage of {', '.join(entry.sources)})" if entry.sources else ""
        yield f"  {entry.class_name:20} {' or '.join(entry.folders)}{masks}{missed}{shared}"
    if config.splits:
        yield "  {split} is " + ", ".join(f"{folder} for {split}" for split, folder in config.splits.items())


def _expected(config: DatasetConfig) -> Iterator[str]:
    """A line for each class: how many media in which split."""
    if config.card.expected:
        each = " at each compression level" if config.compressions else ""
        yield f"a whole copy holds{each}:"
    for entry in {entry.class_name: entry for entry in config.classes}.values():
        counts = [count for count in config.card.expected if count.class_name == entry.class_name]
        if counts:
            yield f"  {entry.class_name:20} " + ", ".join(f"{count.split} {count.media}" for count in counts)
