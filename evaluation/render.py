"""One table, five ways to show it: CSV, Markdown, LaTeX (booktabs), HTML, and the terminal."""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import jinja2
import rich.box
import rich.table
from rich.text import Text

from config.errors import InputError, nearest
from config.files import write_text
from evaluation.tables import NO_VALUE, Rank, Table

_MARKDOWN_SPECIAL = re.compile(r"[\\`*|<>\[\]$~#&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")

_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},  # \\ and \midrule would take them as an option
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "Δ": r"$\Delta$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
}
# Beyond ASCII, pdflatex prints these without further packages; the letters left out need another font encoding.
_LATEX_READY = frozenset(map(chr, range(0xA1, 0x180))) - frozenset("«»ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ") | frozenset(
    "–—‘’“”†‡•…‰€™←↑→↓"
)


def to_csv(table: Table) -> str:
    """Comma-separated values at full precision; a column's group stands before its name, no value is an empty field.

    Spreads are columns of their own after the value's: "AUC", "AUC low", "AUC high", or "AUC", "AUC deviation".
    """
    out = io.StringIO()
    names = [_one_line(name) for name in (table.row_header, *table.rows)]
    csv.writer(out, lineterminator="\n").writerows(zip(names, *_csv_columns(table), strict=True))
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """A GitHub-flavoured table, lined up; best value bold, second underlined, spreads after the values."""
    body = _with_spreads(_marked(table, str, "**{}**".format, "<u>{}</u>".format), table.spread_text())
    lines = [[_markdown(cell) for cell in (table.row_header, *_flat_headings(table, ": "))]]
    lines += [[_markdown(name), *cells] for name, cells in zip(table.rows, body, strict=True)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    drawn = [f"| {' | '.join(line)} |" for line in (padded[0], ruler, *padded[1:])]
    notes = [f"- {_markdown_paragraph(note)}" for note in table.footnotes]
    blocks = [[_markdown_paragraph(table.caption)], drawn, notes]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def to_latex(table: Table) -> str:
    r"""A `table` environment that compiles with `\usepackage{booktabs}` alone; best value bold, second underlined."""
    spreads = [[_latex(text).replace("-", "$-$") for text in row] for row in table.spread_text()]
    body = _with_spreads(_marked(table, _latex_number, r"\textbf{{{}}}".format, r"\underline{{{}}}".format), spreads)
    headings = [[_latex(table.row_header), *(_latex(column.name) for column in table.columns)]]
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        r"\setlength{\belowcaptionskip}{6pt}",
        rf"\caption{{{_latex(table.caption)}}}",
        r"\small",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{@{{}}l{'r' * len(table.columns)}@{{}}}}",
        r"\toprule",
        *_latex_groups(table),
        *_latex_rows(headings),
        r"\midrule",
        *_latex_rows([[_latex(name), *cells] for name, cells in zip(table.rows, body, strict=True)]),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip{{\footnotesize\raggedright {_latex(note)}\par}}" for note in table.footnotes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """An escaped HTML fragment; best and second are marked by class, and bold and underlined without a style sheet."""
    rows = [
        {
            "name": name,
            "cells": [(text, rank and rank.value, spread) for text, rank, spread in zip(*cells, strict=True)],
        }
        for name, *cells in zip(table.rows, table.text(), table.ranks(), table.spread_text(), strict=True)
    ]
    grouped = any(name for name, _ in table.groups())
    return (
        templates(Path(__file__).parent).get_template("table.html.j2").render(table=table, rows=rows, grouped=grouped)
    )


def to_rich(table: Table) -> rich.table.Table:
    """The table for a terminal: `rich.console.Console().print(to_rich(table))`; numbers are the last to be cut.

    A spread stands under its value.
    """
    drawn = rich.table.Table(
        title=Text(table.caption),
        caption=Text("\n".join(table.footnotes)) if table.footnotes else None,
        caption_justify="left",
        box=rich.box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
        show_edge=False,
    )
    drawn.add_column(Text(table.row_header), overflow="fold")
    printed, spreads = table.text(), table.spread_text()
    for index, heading in enumerate(_flat_headings(table, "\n")):
        width = max((len(row[index]) for row in printed + spreads), default=0)
        drawn.add_column(Text(heading), justify="right", min_width=width, overflow="fold")
    styles = {Rank.BEST: "bold green", Rank.SECOND: "underline", None: ""}
    for name, *row in zip(table.rows, printed, table.ranks(), spreads, strict=True):
        cells = (
            Text.assemble((text, styles[rank]), (f"\n{spread}" if spread else "", "dim"))
            for text, rank, spread in zip(*row, strict=True)
        )
        drawn.add_row(Text(name), *cells)
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


def _flat_headings(table: Table, joint: str) -> list[str]:
    return [f"{column.group}{joint}{column.name}" if column.group else column.name for column in table.columns]


def _csv_columns(table: Table) -> Iterator[list[str | float | None]]:
    """Each column of values from its heading down, and after it those of its spreads."""
    for index, heading in enumerate(map(_one_line, _flat_headings(table, " "))):
        values = [row[index] for row in table.values]
        yield [heading, *(value if value is None or isinstance(value, int) else float(value) for value in values)]
        spreads = [spread.named() if (spread := row[index]) else {} for row in table.spreads]
        for part in dict.fromkeys(name for spread in spreads for name in spread):
            yield [f"{heading} {part}", *(spread.get(part) for spread in spreads)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _marked(
    table: Table, number: Callable[[str], str], best: Callable[[str], str], second: Callable[[str], str]
) -> list[list[str]]:
    """All values as text, best and second of each column dressed."""
    dress: dict[Rank | None, Callable[[str], str]] = {Rank.BEST: best, Rank.SECOND: second, None: str}
    return [
        [dress[rank](number(text)) for text, rank in zip(texts, ranks, strict=True)]
        for texts, ranks in zip(table.text(), table.ranks(), strict=True)
    ]


def _with_spreads(values: list[list[str]], spreads: list[list[str]]) -> list[list[str]]:
    """Cells with value and spread, if there is one."""
    return [
        [f"{value} {spread}".rstrip() for value, spread in zip(*row, strict=True)]
        for row in zip(values, spreads, strict=True)
    ]


def _markdown(text: str) -> str:
    def escape(special: re.Match[str]) -> str:
        return html.escape(special[0]) if special[0] in "<>&" else f"\\{special[0]}"

    return _MARKDOWN_SPECIAL.sub(escape, _one_line(text))


def _markdown_paragraph(text: str) -> str:
    """Text at the start of a line, where a dash or a number would begin a list."""
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", _markdown(text))


def _latex(text: str) -> str:
    """Text that LaTeX prints as it is; a character that pdflatex lacks becomes its code point, U+4F60."""
    one_line = unicodedata.normalize("NFC", _one_line(text))
    printed = (
        _LATEX.get(character) or (character if _prints_in_latex(character) else rf"\texttt{{U+{ord(character):04X}}}")
        for character in one_line
    )
    return "".join(printed).replace("--", "-{}-").replace("--", "-{}-")


def _prints_in_latex(character: str) -> bool:
    return character in _LATEX_READY or (character.isascii() and character.isprintable())


def _latex_number(text: str) -> str:
    if text == NO_VALUE:
        return "--"
    return f"$-${_latex(text[1:])}" if text.startswith("-") else _latex(text)


def _latex_rows(rows: list[list[str]]) -> list[str]:
    return [rf"{' & '.join(cells)} \\" for cells in rows]


def _latex_groups(table: Table) -> list[str]:
    """The heading line of the column groups and the rules under it; nothing if there are no groups."""
    if not any(name for name, _ in table.groups()):
        return []
    cells, rules, first = [""], [], 2
    for name, span in table.groups():
        cells.append(rf"\multicolumn{{{span}}}{{c}}{{{_latex(name)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        first += span
    return [*_latex_rows([cells]), "".join(rules)]
