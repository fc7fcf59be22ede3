r"""A table as LaTeX that compiles with `\usepackage{booktabs}` alone and keeps within a page."""

import math
import unicodedata
from collections.abc import Iterator, Sequence

from evaluation.table_lines import CITED_MARK, Cell, Kind, Line, entries, lines, notes, one_line
from evaluation.tables import NO_VALUE, Rank, Table

_PAGE_WIDTH, _PAGE_LINES = 345.0, 36
"""What fits on a page of the class article at 10 pt: points, and lines."""

_NOTE_LINE, _NOTE_SPACE = 0.9, 0.3
"""How wide and high \\footnotesize is beside \\small, and the space above a note, in lines of a table."""

_WIDE, _NARROW, _USUAL, _BETWEEN_COLUMNS = 6.8, 3.0, 5.0, 8.0
"""What is set in \\small takes of the width: capitals, punctuation, other letters, the space between columns."""

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
    "†": r"$\dagger$",
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


def to_latex(table: Table) -> str:
    """A `table` environment; best value bold, second underlined, published figures and cited rows in italics.

    What is too wide or too long for a page of the class article is several of them.
    """
    names, *columns = _widths(table)
    parts = table.in_parts(_PAGE_WIDTH - names, columns)
    return "\n".join(drawn for part in parts for drawn in _pages(part))


def _widths(table: Table) -> list[float]:
    """About how many points the row names and each column take in print, generously."""
    printed = [(table.row_header, *(column.name for column in table.columns))]
    printed += [(line.name, *map(_plain, line.cells)) for line in lines(table)]
    of_names, *widths = (max(map(_width, column)) for column in zip(*printed, strict=True))
    start = 0
    for name, span in table.groups():
        least = _width(name) / span
        widths[start : start + span] = [max(width, least) for width in widths[start : start + span]]
        start += span
    return [of_names, *(width + _BETWEEN_COLUMNS for width in widths)]


def _plain(cell: Cell) -> str:
    return f"{cell.text}{cell.mark} {cell.spread}".rstrip()


def _width(text: str) -> float:
    return math.fsum(_WIDE if letter.isupper() else _NARROW if letter in " .,:;[]()" else _USUAL for letter in text)


def _pages(table: Table) -> Iterator[str]:
    """The `table` environments of all rows, each with as many as a page holds; the last has the notes that fit too.

    Further notes have environments of their own.
    """
    pages: list[list[list[Line]]] = [[]]
    for entry in entries(table):
        if pages[-1] and sum(map(len, pages[-1])) + len(entry) > _PAGE_LINES:
            pages.append([])
        pages[-1].append(entry)
    below, *further = _notes_by_page(notes(table), _PAGE_LINES - sum(map(len, pages[-1])))
    for number, page in enumerate(pages, 1):
        caption = table.caption if number == 1 else f"{table.caption}, continued"
        yield _environment(table, caption, page, below if number == len(pages) else ())
    for rest in further:
        yield _environment(table, f"{table.caption}, notes", (), rest)


def _notes_by_page(below: Sequence[str], room: float) -> list[list[str]]:
    """Notes in as many lists as they need pages, the first of which has room for so many lines of a table."""
    by_page: list[list[str]] = [[]]
    for note in below:
        takes = _NOTE_SPACE + _NOTE_LINE * math.ceil(_NOTE_LINE * _width(note) / _PAGE_WIDTH)
        if takes > room:
            by_page, room = [*by_page, []], _PAGE_LINES
        by_page[-1].append(note)
        room -= takes
    return by_page


def _environment(table: Table, caption: str, page: Sequence[Sequence[Line]], below: Sequence[str]) -> str:
    stamp = rf"\textbf{{{_latex(table.stamp)}.}} " if table.stamp else ""
    written = [
        *([f"% {one_line(table.stamp)}"] if table.stamp else []),
        r"\begin{table}[t]",
        r"\centering",
        r"\setlength{\belowcaptionskip}{6pt}",
        rf"\caption{{{stamp}{_latex(caption)}}}",
        *(_tabular(table, page) if page else ()),
        *(rf"\par\smallskip{{\footnotesize\raggedright {_latex(note)}\par}}" for note in below),
        r"\end{table}",
    ]
    return "\n".join(written) + "\n"


def _tabular(table: Table, page: Sequence[Sequence[Line]]) -> list[str]:
    return [
        r"\small",
        r"\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{@{{}}l{'r' * len(table.columns)}@{{}}}}",
        r"\toprule",
        *_groups(table),
        _row([_latex(table.row_header), *(_latex(column.name) for column in table.columns)]),
        r"\midrule",
        *_body(page),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _groups(table: Table) -> list[str]:
    """The heading line of the column groups and the rules under it; nothing if there are no groups."""
    if not any(name for name, _ in table.groups()):
        return []
    cells, rules, first = [""], [], 2
    for name, span in table.groups():
        cells.append(rf"\multicolumn{{{span}}}{{c}}{{{_latex(name)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        first += span
    return [_row(cells), "".join(rules)]


def _body(page: Sequence[Sequence[Line]]) -> Iterator[str]:
    """The rows, those with lines of their own below set apart from their neighbours."""
    for above, entry in zip([[], *page], page, strict=False):
        if above and len(above) + len(entry) > 2:
            yield r"\addlinespace"
        yield from (_row([_name(line), *(_cell(cell, line.kind) for cell in line.cells)]) for line in entry)


def _row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _name(line: Line) -> str:
    name = _latex(line.name)
    if line.kind == Kind.MEASURED:
        return name
    if line.kind == Kind.CITED:
        return rf"\textit{{{name}}}\textsuperscript{{{_LATEX[CITED_MARK]}}}"
    return rf"\quad\textit{{{name}}}"


def _cell(cell: Cell, kind: Kind) -> str:
    dressed = {Rank.BEST: r"\textbf{{{}}}", Rank.SECOND: r"\underline{{{}}}", None: "{}"}[cell.rank]
    if kind != Kind.MEASURED:
        dressed = r"\textit{{{}}}"
    mark = rf"\textsuperscript{{{_latex(cell.mark)}}}" if cell.mark else ""
    mark = rf"\rlap{{{mark}}}" if mark and not cell.spread else mark  # or digits would not stand below each other
    return f"{dressed.format(_number(cell.text))}{mark} {_latex(cell.spread).replace('-', '$-$')}".rstrip()


def _number(text: str) -> str:
    if text == NO_VALUE:
        return "--"
    return f"$-${_latex(text[1:])}" if text.startswith("-") else _latex(text)


def _latex(text: str) -> str:
    """Text that LaTeX prints as it is; a character that pdflatex lacks becomes its code point, U+4F60."""
    letters = unicodedata.normalize("NFC", one_line(text))
    printed = (
        _LATEX.get(character) or (character if _prints_in_latex(character) else rf"\texttt{{U+{ord(character):04X}}}")
        for character in letters
    )
    return "".join(printed).replace("--", "-{}-").replace("--", "-{}-")


def _prints_in_latex(character: str) -> bool:
    return character in _LATEX_READY or (character.isascii() and character.isprintable())
