"""One table, five ways to show it: CSV, Markdown, LaTeX (booktabs), HTML, and the terminal."""

import csv
import html
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import jinja2
import rich.box
import rich.table
from rich.text import Text

from config.errors import InputError, nearest
from config.files import write_text
from evaluation.latex import to_latex
from evaluation.table_lines import CITED_MARK, Cell, Kind, Line, headings, lines, notes, one_line
from evaluation.tables import Rank, Table

_MARKDOWN_SPECIAL = re.compile(r"[\\`*|<>\[\]$~#&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def to_csv(table: Table) -> str:
    """Comma-separated values at full precision; a column's group stands before its name, no value is an empty field.

    What stands beside values are columns of their own after the values': "AUC", "AUC low", "AUC high", or "AUC",
    "AUC deviation"; "AUC published" and "AUC difference"; "AUC tied" and "AUC uncounted", True or False. The last
    columns say which rows are only cited, and the stamp.
    """
    out = io.StringIO()
    names = [one_line(name) for name in (table.row_header, *table.rows)]
    csv.writer(out, lineterminator="\n").writerows(zip(names, *_csv_columns(table), strict=True))
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """A GitHub-flavoured table, lined up; best value bold, second underlined, spreads after the values.

    Published figures, differences and the figures of cited rows are in italics.
    """
    body = [[_markdown(cell) for cell in (table.row_header, *headings(table, ": "))]]
    body += [[_markdown_name(line), *(_markdown_cell(cell, line.kind) for cell in line.cells)] for line in lines(table)]
    widths = [max(3, *map(len, column)) for column in zip(*body, strict=True)]
    ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in body]
    drawn = [f"| {' | '.join(line)} |" for line in (padded[0], ruler, *padded[1:])]
    below = [f"- {_markdown_paragraph(note)}" for note in notes(table)]
    stamp = [f"**{_markdown(table.stamp)}**"] if table.stamp else []
    blocks = [stamp, [_markdown_paragraph(table.caption)], drawn, below]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def to_html(table: Table) -> str:
    """An escaped HTML fragment; best and second are marked by class, and bold and underlined without a style sheet."""
    return (
        templates(Path(__file__).parent)
        .get_template("table.html.j2")
        .render(
            table=table,
            grouped=any(name for name, _ in table.groups()),
            lines=lines(table),
            notes=notes(table),
            cited_mark=CITED_MARK,
        )
    )


def to_rich(table: Table) -> rich.table.Table:
    """The table for a terminal: `rich.console.Console().print(to_rich(table))`; numbers are the last to be cut.

    A spread stands under its value.
    """
    below, stamp = notes(table), f"{table.stamp}\n" if table.stamp else ""
    drawn = rich.table.Table(
        title=Text.assemble((stamp, "bold red"), table.caption),
        caption=Text("\n".join(below)) if below else None,
        caption_justify="left",
        box=rich.box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        show_edge=False,
    )
    drawn.add_column(Text(table.row_header), overflow="fold")
    body = lines(table)
    for index, heading in enumerate(headings(table, "\n")):
        cells = [line.cells[index] for line in body]
        width = max((max(len(_marked(cell)), len(cell.spread)) for cell in cells), default=0)
        drawn.add_column(Text(heading), justify="right", min_width=width, overflow="fold")
    styles = {Rank.BEST: "bold green", Rank.SECOND: "underline", None: ""}
    for line in body:
        shown = (
            Text.assemble((_marked(cell), styles[cell.rank]), (f"\n{cell.spread}" if cell.spread else "", "dim"))
            for cell in line.cells
        )
        name = f"{line.name} {CITED_MARK}" if line.kind == Kind.CITED else line.name
        drawn.add_row(Text(name), *shown, style="" if line.kind == Kind.MEASURED else "dim italic")
    return drawn


FORMATS: Mapping[str, Callable[[Table], str]] = MappingProxyType(
    {"csv": to_csv, "md": to_markdown, "tex": to_latex, "html": to_html}
)
"""What a table can be written as, by the name that is also the file's suffix."""


def save_table(table: Table, path: Path) -> None:
    """Write a table in the format that the suffix of `path` names.

    Raises:
        InputError: the suffix is none of `FORMATS`, or the file cannot be written.
    """
    suffix = path.suffix.removeprefix(".")
    if suffix not in FORMATS:
        close = nearest(suffix, FORMATS)
        hint = f"did you mean '.{close}'?" if close else f"valid are: {', '.join(f'.{name}' for name in FORMATS)}"
        raise InputError(f"{path}: a table cannot be written as '{path.suffix}'; {hint}")
    write_text(path, FORMATS[suffix](table))


def templates(room: Path) -> jinja2.Environment:
    """The templates of a room (its folder `templates`), which escape all that is put into them."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(room / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _csv_columns(table: Table) -> Iterator[list[str | float | bool | None]]:
    """Each column of values from its heading down, after it what stands beside the values, and what is said of rows."""
    differences = table.differences()
    for index, heading in enumerate(map(one_line, headings(table, " "))):
        if table.columns[index].is_words:
            yield [heading, *(one_line(row[index]) for row in table.reasons)]
            continue
        values = [row[index] for row in table.values]
        yield [heading, *(value if value is None or isinstance(value, int) else float(value) for value in values)]
        spreads = [spread.named() if (spread := row[index]) else {} for row in table.spreads]
        for part in dict.fromkeys(name for spread in spreads for name in spread):
            yield [f"{heading} {part}", *(spread.get(part) for spread in spreads)]
        for what, grid in (("published", table.published), ("difference", differences), ("tied", table.tied)):
            beside = [row[index] for row in grid]
            if any(value is not None for value in beside):
                yield [f"{heading} {what}", *beside]
        if any(row[index] for row in table.uncounted):
            yield [f"{heading} uncounted", *(bool(row[index]) for row in table.uncounted)]
    if table.cited:
        yield ["cited", *(name in table.cited for name in table.rows)]
    if table.stamp:
        yield ["stamp", *(one_line(table.stamp) for _ in table.rows)]


def _marked(cell: Cell) -> str:
    return cell.text + cell.mark


def _markdown_name(line: Line) -> str:
    if line.kind == Kind.MEASURED:
        return _markdown(line.name)
    return f"{_markdown(line.name)} {CITED_MARK}" if line.kind == Kind.CITED else f"*{line.name}*"


def _markdown_cell(cell: Cell, kind: Kind) -> str:
    text = _markdown(cell.text)
    if kind != Kind.MEASURED:
        return f"*{text}*"
    dressed = {Rank.BEST: f"**{text}**", Rank.SECOND: f"<u>{text}</u>", None: text}[cell.rank]
    return f"{dressed}{cell.mark} {cell.spread}".rstrip()


def _markdown(text: str) -> str:
    def escape(special: re.Match[str]) -> str:
        return html.escape(special[0]) if special[0] in "<>&" else f"\\{special[0]}"

    return _MARKDOWN_SPECIAL.sub(escape, one_line(text))


def _markdown_paragraph(text: str) -> str:
    """Text at the start of a line, where a dash or a number would begin a list."""
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", _markdown(text))
