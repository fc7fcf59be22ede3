"""How every explanation ends: a picture in a file, and the numbers behind it where the command was called."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console

from evaluation.plots.style import save_figure
from evaluation.render import save_table, to_rich
from evaluation.tables import Table


def show(figure: Figure, out: Path, tables: Sequence[Table], console: Console, *, numbers: Path | None = None) -> None:
    """Write a picture and print the tables behind it.

    Args:
        figure: the picture.
        out: its file.
        tables: the numbers.
        console: where they are printed.
        numbers: a file that has the first of them as well, by its suffix; None for no file.

    Raises:
        InputError: the file cannot be written, or has another suffix than a figure may have.
    """
    save_figure(figure, out)
    if numbers is not None:
        save_table(tables[0], numbers)
    for table in tables:
        console.print(to_rich(table))
    console.print("\n".join(str(path) for path in (out, numbers) if path), highlight=False)
