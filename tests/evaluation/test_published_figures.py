"""Tables with published figures, cited rows, ties, reasons and a stamp, and how each format shows them."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from evaluation.render import to_csv, to_html, to_latex, to_markdown, to_rich
from evaluation.table_lines import TIED_MARK, Kind, lines, notes
from evaluation.tables import Column, Deviation, Rank, Table
from tests.drawn import latex_log, latex_problem, parsed

TABLE = Table(
    caption="Of a paper",
    row_header="Detector",
    rows=("a", "b_1", "c", "d"),
    columns=(Column("X", group="AUC"), Column("Y", group="AUC"), Column("X", False, group="EER")),
    values=((0.75, 0.70, None), (None, None, None), (0.81, 0.72, 0.25), (0.80, 0.5, 0.5)),
    footnotes=("protocol corrected v1",),
    spreads=((Deviation(0.01), None, None), (None,) * 3, (Deviation(0.02), None, None), (None,) * 3),
    published=((0.5, None, 0.3), (0.99, 0.98, 0.01), (0.8125, 0.72, None), (None,) * 3),
    cited=frozenset({"b_1"}),
    tied=((False, True, None), (None,) * 3, (None, True, None), (True, False, None)),
    reasons=(("", "", "one class"), ("",) * 3, ("",) * 3, ("",) * 3),
)
STAMPED = replace(TABLE, stamp="DEMO: 100 % made_up")


def test_a_difference_is_measured_minus_published_where_both_are_there() -> None:
    assert TABLE.differences()[0] == [0.25, None, None]
    assert TABLE.differences()[1] == TABLE.differences()[3] == [None] * 3
    assert TABLE.differences()[2][:2] == pytest.approx([-0.0025, 0.0])
    plain = replace(TABLE, published=(), cited=frozenset())
    assert STAMPED.differences() == plain.differences() == [[None] * 3] * 4


def test_only_what_was_measured_is_ranked() -> None:
    assert [row[0] for row in TABLE.ranks()] == [None, None, Rank.BEST, Rank.SECOND]
    assert [row[1] for row in TABLE.ranks()] == [Rank.SECOND, None, Rank.BEST, None]


def test_a_mean_has_no_published_figure_and_none_over_a_test_set_of_one_class() -> None:
    table = TABLE.mean_column("Avg.", "AUC").mean_column("Avg.", "EER")
    assert table.part(range(4), (0, 1, 3)) == TABLE
    mean = table.part(range(4), (2, 4))
    assert mean.values[0] == (pytest.approx(0.725), None)
    assert mean.published == mean.tied == ((None, None),) * 4
    assert mean.reasons == (("", ""),) * 4


@given(st.permutations(range(4)), st.integers(0, 4), st.sets(st.integers(0, 2)))
def test_a_part_has_what_stands_beside_its_values(order: list[int], rows: int, chosen: set[int]) -> None:
    columns = sorted(chosen)
    part = STAMPED.part(order[:rows], columns)
    assert part.stamp == STAMPED.stamp
    assert part.cited == TABLE.cited.intersection(part.rows)
    for grid, whole in (
        (part.values, TABLE.values),
        (part.published, TABLE.published),
        (part.tied, TABLE.tied),
        (part.reasons, TABLE.reasons),
    ):
        assert grid == tuple(tuple(whole[row][column] for column in columns) for row in order[:rows])


@given(st.lists(st.floats(0.1, 9), min_size=1, max_size=12), st.floats(1, 12))
def test_parts_are_no_wider_than_asked(widths: list[float], most: float) -> None:
    columns = tuple(Column(str(number), group=f"g{number // 3}") for number in range(len(widths)))
    table = Table("c", "D", ("a",), columns, ((0.5,) * len(widths),), stamp="s")
    parts = table.in_parts(most, widths)
    assert [column for part in parts for column in part.columns] == list(columns)
    for part in parts:
        taken = [widths[int(column.name)] for column in part.columns]
        assert len(taken) == 1 or sum(taken) <= most + 1e-9
        assert part.stamp == "s"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cited": frozenset({"e"})}, "rows that are cited are rows"),
        ({"cited": frozenset({"a"})}, "a row that is cited has no values of its own: a"),
        ({"reasons": (("no face", "", ""), *TABLE.reasons[1:])}, "has no reason not to be"),
        ({"published": TABLE.published[1:]}, "4 rows of 3 columns do not hold rows of .* published"),
        ({"published": ((float("inf"), 0.5, 0.5), *TABLE.published[1:])}, "finite"),
        ({"tied": ((True,),) * 4}, "do not hold rows of .* tied"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TABLE, **changes)


def test_published_figures_and_differences_follow_the_rows_that_have_them() -> None:
    drawn = [(line.kind, line.name, [cell.text for cell in line.cells]) for line in lines(TABLE)]
    assert drawn == [
        (Kind.MEASURED, "a", ["0.7500", "0.7000", "one class"]),
        (Kind.PUBLISHED, "published", ["0.5000", "–", "0.3000"]),
        (Kind.DIFFERENCE, "difference", ["+0.2500", "–", "–"]),
        (Kind.CITED, "b_1", ["0.9900", "0.9800", "0.0100"]),
        (Kind.MEASURED, "c", ["0.8100", "0.7200", "0.2500"]),
        (Kind.PUBLISHED, "published", ["0.8125", "0.7200", "–"]),
        (Kind.DIFFERENCE, "difference", ["-0.0025", "+0.0000", "–"]),
        (Kind.MEASURED, "d", ["0.8000", "0.5000", "0.5000"]),
    ]
    assert Kind.DIFFERENCE not in {line.kind for line in lines(STAMPED)}


@given(st.floats(-1e-5, 1e-5))
def test_a_difference_too_small_to_print_has_no_minus(value: float) -> None:
    table = Table("c", "D", ("a",), (Column("X", format="+.4f"),), ((0.5 + value,),), published=((0.5,),))
    assert lines(table)[2].cells[0].text == "+0.0000"


def test_the_best_of_a_column_is_never_marked_as_tied_with_itself() -> None:
    marked = [[cell.mark == TIED_MARK for cell in line.cells] for line in lines(TABLE) if line.kind == Kind.MEASURED]
    assert marked == [[False, True, False], [False, False, False], [True, False, False]]


def test_notes_explain_the_marks_that_are_there_and_no_others() -> None:
    assert [note.split()[0] for note in notes(TABLE)] == ["published:", "difference:", "†", "≈", "protocol"]
    assert notes(STAMPED)[0] == "published: the source's figure; not to be compared with these"
    plain = replace(TABLE, published=(), cited=frozenset(), tied=())
    assert notes(plain) == TABLE.footnotes
    assert [note[0] for note in notes(plain.part((0,), (0,)))] == ["p"]


def test_markdown_sets_published_figures_and_cited_rows_apart() -> None:
    text = [re.sub(" +", " ", line) for line in to_markdown(STAMPED).splitlines()]
    assert text[0] == "**DEMO: 100 % made_up**"
    assert text[6:12] == [
        "| a | 0.7500 ± 0.010 | <u>0.7000</u>≈ | one class |",
        "| *published* | *0.5000* | *–* | *0.3000* |",
        "| b_1 † | *0.9900* | *0.9800* | *0.0100* |",
        "| c | **0.8100** ± 0.020 | **0.7200** | **0.2500** |",
        "| *published* | *0.8125* | *0.7200* | *–* |",
        "| d | <u>0.8000</u>≈ | 0.5000 | <u>0.5000</u> |",
    ]
    page = parsed(MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(TABLE)))
    assert ("", "+0.2500") in page.cells
    assert page.tags.count("em") == 3 + 4 * 4


def test_html_sets_them_apart_by_class_and_without_a_style_sheet() -> None:
    page = to_html(STAMPED)
    assert '<p class="stamp"><strong>DEMO: 100 % made_up</strong></p>' in page
    assert page.index("DEMO") < page.index("Of a paper")
    assert '<tr class="cited">\n<th scope="row"><i>b_1</i> †</th>\n<td><i>0.9900</i></td>' in page
    assert '<tr class="published">\n<th scope="row"><small><i>published</i></small></th>' in page
    assert 'class="difference"' not in page
    assert "<u>0.8000</u><sup>≈</sup></td>" in page
    assert ("", "one class") in parsed(page).cells
    assert '<tr class="difference">' in to_html(TABLE)


def test_the_terminal_says_the_stamp_first_and_marks_rows() -> None:
    console = Console(width=70, file=io.StringIO(), record=True, color_system=None)
    console.print(to_rich(STAMPED))
    text = [line.split() for line in console.export_text().splitlines()]
    assert text[0] == STAMPED.stamp.split()
    assert ["b_1", "†", "0.9900", "0.9800", "0.0100"] in text
    assert ["published", "0.8125", "0.7200", "–"] in text
    assert ["d", "0.8000≈", "0.5000", "0.5000"] in text


def test_csv_has_what_a_data_frame_needs() -> None:
    frame = pd.read_csv(io.StringIO(to_csv(TABLE)), index_col="Detector")
    assert list(frame.columns) == [
        *("AUC X", "AUC X deviation", "AUC X published", "AUC X difference", "AUC X tied"),
        *("AUC Y", "AUC Y published", "AUC Y difference", "AUC Y tied"),
        *("EER X", "EER X published", "cited"),
    ]
    assert frame.loc["c", "AUC X difference"] == 0.81 - 0.8125
    assert frame["cited"].to_dict() == {"a": False, "b_1": True, "c": False, "d": False}
    assert frame["EER X"].isna().to_dict() == {"a": True, "b_1": True, "c": False, "d": False}
    stamped = pd.read_csv(io.StringIO(to_csv(STAMPED)), index_col="Detector")
    assert stamped.columns[-1] == "stamp"
    assert set(stamped["stamp"]) == {STAMPED.stamp}
    assert not [name for name in stamped.columns if name.endswith("difference")]


def test_latex_sets_them_apart_and_compiles(tmp_path: Path) -> None:
    source = to_latex(STAMPED)
    comment, rest = source.split("\n", 1)
    assert comment == "% DEMO: 100 % made_up"
    assert latex_problem(rest) == latex_problem(to_latex(TABLE)) == ""
    assert r"\caption{\textbf{DEMO: 100 \% made\_up.} Of a paper}" in source
    body = source.split("\\midrule\n")[1].split("\\bottomrule")[0].splitlines()
    assert body == [
        r"a & 0.7500 ± 0.010 & \underline{0.7000}\rlap{\textsuperscript{$\approx$}} & one class \\",
        r"\quad\textit{published} & \textit{0.5000} & \textit{--} & \textit{0.3000} \\",
        r"\addlinespace",
        r"\textit{b\_1}\textsuperscript{$\dagger$} & \textit{0.9900} & \textit{0.9800} & \textit{0.0100} \\",
        r"\addlinespace",
        r"c & \textbf{0.8100} ± 0.020 & \textbf{0.7200} & \textbf{0.2500} \\",
        r"\quad\textit{published} & \textit{0.8125} & \textit{0.7200} & \textit{--} \\",
        r"\addlinespace",
        r"d & \underline{0.8000}\rlap{\textsuperscript{$\approx$}} & 0.5000 & \underline{0.5000} \\",
    ]
    latex_log(to_latex(TABLE) + source, tmp_path)


def test_latex_keeps_a_wide_and_long_table_within_pages(tmp_path: Path) -> None:
    columns = tuple(Column(f"Celeb-DF-v{number}", group=f"change of frame AUC, {number // 5}") for number in range(17))
    rows = tuple(f"Detector {number} WITH A LONG NAME" for number in range(20))
    values = tuple(tuple((row * 17 + column) / 400 for column in range(17)) for row in range(20))
    spreads = tuple(tuple(Deviation(value / 10) for value in row) for row in values)
    source = to_latex(Table("Wide", "Detector", rows, columns, values, ("note",), spreads, values))
    assert latex_problem(source) == ""
    assert source.count("raggedright note") == 1
    assert source.count("continued}") * 2 == source.count(r"\begin{table}")
    assert all(source.count(f"{{{column.name}}}") + source.count(f" {column.name} ") == 2 for column in columns)
    log = latex_log(source, tmp_path)
    assert "Overfull" not in log
    assert "Float too large" not in log


def test_latex_keeps_long_notes_within_pages(tmp_path: Path) -> None:
    rows = tuple(f"row {number}" for number in range(30))
    footnotes = tuple(f"Note {number}: " + "what a reader must know " * 8 for number in range(40))
    values = tuple((row / 40,) for row in range(30))
    source = to_latex(Table("Long", "Detector", rows, (Column("AUC"),), values, footnotes, stamp="DEMO"))
    assert [source.count(f"raggedright Note {number}:") for number in range(40)] == [1] * 40
    assert source.index("Note 9:") < source.index("Note 10:")
    assert source.count(r"\begin{tabular}") == 1
    assert source.count("DEMO.}") == source.count("\\begin{table}") == source.count("Long, notes}") + 1 > 2
    assert "Float too large" not in latex_log(source, tmp_path)
