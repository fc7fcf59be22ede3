"""How every explanation ends: a picture in a file, and the numbers behind it where the command was called."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console

from evaluation.plots.style import save_figure
from evaluation.render import to_rich
from evaluation.tables import Table


def show(figure: Figure, out: Path, tables: Sequence[Table], console: Console) -> None:
    """Write a picture and print the tables behind it.

    Args:
        figure: the picture.
        out: its file.
        tables: the numbers.
        console: where they are printed.

    Raises:
        InputError: the file cannot be written, or has another suffix than a figure may have.
    """
    save_figure(figure, out)
    for table in tables:
        console.print(to_rich(table))
    console.print(str(out), highlight=False)
