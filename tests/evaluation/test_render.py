import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from config.errors import InputError
from evaluation.render import FORMATS, save_table, to_csv, to_html, to_latex, to_markdown, to_rich
from evaluation.tables import Column, Deviation, Interval, Table
from tests.drawn import latex_log, latex_problem, parsed

HOSTILE = '<script>alert("1")</script> & 100% $x$ #_{}~^\\input{/etc/passwd} [a] *b* `c` | -- é “q” 你\n\nend'
COLUMNS = (
    Column("DemoFF", group="frame AUC"),
    Column("DemoX", group="frame AUC"),
    Column("DemoFF", False, group="frame EER"),
    Column("Frames", None, format=",.0f"),
    Column("Δ", None, format="+.2f"),
)
TABLE = Table(
    caption="Trained on DemoFF",
    row_header="Detector",
    rows=("efficientnet_b4", "xception", "meso4"),
    columns=COLUMNS,
    values=((0.98765432, 0.7, 0.05, 3125, -0.25), (0.91, None, 0.06, 3125, 0.5), (0.9, 0.8, 0.05, 100, None)),
    footnotes=("Substitute: compact landmark predictor.",),
)
SURE = Table(
    caption="With intervals",
    row_header="Detector",
    rows=("a", "b", "c"),
    columns=(Column("A", group="AUC"), Column("B", group="AUC"), Column("Δ", None, format="+.2f")),
    values=((0.9, 0.7, -0.25), (0.8, None, 0.5), (0.7, 0.6, None)),
    spreads=(
        (Interval(0.8765, 0.9235), Deviation(0.0125), Interval(-0.5, 0.0)),
        (Interval(0.75, 0.85), None, None),
        (None, Deviation(0.25), None),
    ),
)


def hostile(text: str) -> Table:
    columns = (Column(text, group=text), Column("n", group="_"))
    return Table(text, text, (text, "plain"), columns, ((0.5, 0.25), (0.75, None)), (text,))


def test_csv_keeps_full_precision_and_leaves_gaps_empty() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows[0] == ["Detector", "frame AUC DemoFF", "frame AUC DemoX", "frame EER DemoFF", "Frames", "Δ"]
    assert rows[1] == ["efficientnet_b4", "0.98765432", "0.7", "0.05", "3125", "-0.25"]
    assert rows[2][2] == ""


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5), st.text())
def test_csv_comes_back_as_it_was(values: list[float], name: str) -> None:
    table = Table("c", "D", (name,), tuple(Column(f"c{i}") for i in range(len(values))), (tuple(values),))
    rows = list(csv.reader(io.StringIO(to_csv(table))))
    assert [float(field) for field in rows[1][1:]] == values
    assert rows[1][0] == " ".join(name.split())


def test_markdown_marks_best_and_second() -> None:
    assert to_markdown(TABLE) == (
        "Trained on DemoFF\n"
        "\n"
        "| Detector        | frame AUC: DemoFF | frame AUC: DemoX | frame EER: DemoFF | Frames |     Δ |\n"
        "| --------------- | ----------------: | ---------------: | ----------------: | -----: | ----: |\n"
        "| efficientnet_b4 |        **0.9877** |    <u>0.7000</u> |        **0.0500** |  3,125 | -0.25 |\n"
        "| xception        |     <u>0.9100</u> |                – |     <u>0.0600</u> |  3,125 | +0.50 |\n"
        "| meso4           |            0.9000 |       **0.8000** |        **0.0500** |    100 |     – |\n"
        "\n"
        "- Substitute: compact landmark predictor.\n"
    )


def test_csv_has_columns_for_the_numbers_of_spreads() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(SURE))))
    assert rows == [
        ["Detector", "AUC A", "AUC A low", "AUC A high", "AUC B", "AUC B deviation", "Δ", "Δ low", "Δ high"],
        ["a", "0.9", "0.8765", "0.9235", "0.7", "0.0125", "-0.25", "-0.5", "0.0"],
        ["b", "0.8", "0.75", "0.85", "", "", "0.5", "", ""],
        ["c", "0.7", "", "", "0.6", "0.25", "", "", ""],
    ]


def test_markdown_shows_spreads_after_values() -> None:
    lines = [re.sub(" +", " ", line) for line in to_markdown(SURE).splitlines()]
    assert lines[4:7] == [
        "| a | **0.9000** [0.876, 0.923] | **0.7000** ± 0.013 | -0.25 [-0.500, 0.000] |",
        "| b | <u>0.8000</u> [0.750, 0.850] | – | +0.50 |",
        "| c | 0.7000 | <u>0.6000</u> ± 0.250 | – |",
    ]
    page = parsed(MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(SURE)))
    assert ("", "0.9000 [0.876, 0.923]") in page.cells


def test_latex_shows_spreads_after_values() -> None:
    source = to_latex(SURE)
    assert latex_problem(source) == ""
    assert (
        r"a & \textbf{0.9000} {[}0.876, 0.923{]} & \textbf{0.7000} ± 0.013 & $-$0.25 {[}$-$0.500, 0.000{]} \\" in source
    )


def test_html_shows_spreads_after_values() -> None:
    cells = parsed(to_html(SURE)).cells
    assert ("best", "0.9000 [0.876, 0.923]") in cells
    assert ("second", "0.6000 ± 0.250") in cells
    assert ("", "-0.25 [-0.500, 0.000]") in cells
    assert '<strong>0.9000</strong> <span class="spread">[0.876, 0.923]</span>' in to_html(SURE)


def test_the_terminal_shows_spreads_under_values() -> None:
    console = Console(width=50, file=io.StringIO(), record=True, color_system=None)
    console.print(to_rich(SURE))
    lines = [line.split() for line in console.export_text().splitlines()]
    values = lines.index(["a", "0.9000", "0.7000", "-0.25"])
    assert lines[values + 1] == ["[0.876,", "0.923]", "±", "0.013", "[-0.500,", "0.000]"]
    assert ["b", "0.8000", "–", "+0.50"] in lines


@given(st.sampled_from([HOSTILE, "_a_b", "a|b\\\\|", "&amp;", "![a](b)", "~~x~~"]) | st.text(max_size=20))
def test_markdown_shows_any_name_as_it_is(name: str) -> None:
    shown = " ".join(name.replace("\0", "\N{REPLACEMENT CHARACTER}").split())
    page = parsed(MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(hostile(name))))
    assert page.cells[0] == ("", shown)
    assert ("", shown) in page.cells[3:]
    assert ("", "0.5000") in page.cells
    assert set(page.tags) <= {"p", "table", "thead", "tbody", "tr", "th", "td", "strong", "u", "ul", "li"}


def test_latex_reads_as_a_booktabs_table() -> None:
    assert to_latex(TABLE) == (
        "\\begin{table}[t]\n"
        "\\centering\n"
        "\\setlength{\\belowcaptionskip}{6pt}\n"
        "\\caption{Trained on DemoFF}\n"
        "\\small\n"
        "\\setlength{\\tabcolsep}{4pt}\n"
        "\\begin{tabular}{@{}lrrrrr@{}}\n"
        "\\toprule\n"
        " & \\multicolumn{2}{c}{frame AUC} & \\multicolumn{1}{c}{frame EER} & \\multicolumn{2}{c}{} \\\\\n"
        "\\cmidrule(lr){2-3}\\cmidrule(lr){4-4}\n"
        "Detector & DemoFF & DemoX & DemoFF & Frames & $\\Delta$ \\\\\n"
        "\\midrule\n"
        "efficientnet\\_b4 & \\textbf{0.9877} & \\underline{0.7000} & \\textbf{0.0500} & 3,125 & $-$0.25 \\\\\n"
        "xception & \\underline{0.9100} & -- & \\underline{0.0600} & 3,125 & +0.50 \\\\\n"
        "meso4 & 0.9000 & \\textbf{0.8000} & \\textbf{0.0500} & 100 & -- \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\par\\smallskip{\\footnotesize\\raggedright Substitute: compact landmark predictor.\\par}\n"
        "\\end{table}\n"
    )


def test_the_check_of_latex_sees_what_is_wrong() -> None:
    good = to_latex(TABLE)
    assert latex_problem(good) == ""
    assert latex_problem(good.replace("lrrrrr", "lrrrr")).startswith("columns")
    assert latex_problem(good.replace(r"\_", "_")).startswith("special")
    assert latex_problem(good.replace(r"\end{tabular}", "")) == "environments"
    assert latex_problem(good.replace("0.9877}", "0.9877")) == "braces"


@given(st.text(max_size=30))
def test_latex_holds_with_any_name(name: str) -> None:
    assert latex_problem(to_latex(hostile(name))) == ""


def test_latex_escapes_names() -> None:
    source = to_latex(hostile(HOSTILE))
    assert latex_problem(source) == ""
    assert r"\textbackslash{}input\{/etc/passwd\}" in source
    assert r"\texttt{U+4F60} end" in source
    assert r"-{}-" in source


def test_latex_without_groups_has_one_heading_line() -> None:
    plain = Table("c", "D", ("a",), (Column("x"), Column("y")), ((1.0, 2.0),))
    assert "multicolumn" not in to_latex(plain)
    assert "cmidrule" not in to_latex(plain)


@pytest.mark.parametrize(
    "table", [TABLE, SURE, hostile(HOSTILE), hostile("你 ą ¡ÿ “x” ± €5 ≤ α → ✓ \x1b\x00 ``--- ?`")]
)
def test_latex_compiles(table: Table, tmp_path: Path) -> None:
    source = to_latex(table)
    assert latex_problem(source) == ""
    latex_log(source, tmp_path)


def test_html_marks_best_and_second_by_class() -> None:
    cells = parsed(to_html(TABLE)).cells
    assert ("best", "0.9877") in cells
    assert ("second", "0.9100") in cells
    assert ("", "0.9000") in cells
    assert ("", "–") in cells
    assert [text for _, text in cells if text in ("frame AUC", "frame EER")] == ["frame AUC", "frame EER"]


@given(st.sampled_from([HOSTILE, "</td>", "<img src=x onerror=alert(1)>", "' onclick='x", "{{ 7*7 }}"]) | st.text())
def test_html_escapes_names(name: str) -> None:
    page = parsed(to_html(hostile(name)))
    drawn = "figure figcaption div table thead tr td th tbody strong u ul li"
    assert set(page.tags) == set(drawn.split())
    assert "{{ 7*7 }}" not in name or ("", "{{ 7*7 }}") in page.cells


def test_the_terminal_shows_every_number_even_when_narrow() -> None:
    for width in (60, 200):
        console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
        console.print(to_rich(TABLE))
        shown = console.export_text()
        for text in ("0.9877", "0.7000", "0.0500", "3,125", "-0.25"):
            assert text in shown
    assert "efficientnet_b4" in shown
    assert "Substitute: compact landmark predictor." in shown


def test_the_terminal_takes_no_markup_from_names() -> None:
    console = Console(width=120, file=io.StringIO(), record=True, color_system=None)
    console.print(to_rich(hostile("[red]x[/red] [/nothing]")))
    assert "[red]x[/red] [/nothing]" in console.export_text()


def test_a_table_is_saved_by_its_suffix(tmp_path: Path) -> None:
    for suffix, render in FORMATS.items():
        save_table(TABLE, tmp_path / "tables" / f"demo.{suffix}")
        assert (tmp_path / "tables" / f"demo.{suffix}").read_text(encoding="utf-8") == render(TABLE)


def test_an_unknown_suffix_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"demo\.htm: a table cannot be written as '\.htm'; did you mean '\.html'\?"):
        save_table(TABLE, tmp_path / "demo.htm")
    with pytest.raises(InputError, match=r"valid are: \.csv, \.md, \.tex, \.html"):
        save_table(TABLE, tmp_path / "demo")


NOT_ALL_COUNT = Table(
    caption="Some values are only shown",
    row_header="Detector",
    rows=("a", "b", "c"),
    columns=(Column("A", group="AUC"), Column("B", group="AUC"), Column("chosen on", None, is_words=True)),
    values=((0.9, 0.7, None), (0.8, None, None), (0.7, 0.6, None)),
    reasons=(("", "", "source val"), ("", "one class", "test (oracle)"), ("", "", "source_val <b>")),
    uncounted=((True, False, False), (False, False, False), (False, False, False)),
)


def test_a_value_that_does_not_count_is_marked_and_never_the_best() -> None:
    lines = to_markdown(NOT_ALL_COUNT).splitlines()
    assert [line.split("|")[2].strip() for line in lines if line[:4] in {"| a ", "| b ", "| c "}] == [
        "0.9000‡",
        "**0.8000**",
        "<u>0.7000</u>",
    ]
    assert any(line.startswith("- ‡ only shown") for line in lines)
    assert "0.9000\\rlap{\\textsuperscript{‡}}" in to_latex(NOT_ALL_COUNT)
    assert "0.9000<sup>‡</sup>" in to_html(NOT_ALL_COUNT)
    assert NOT_ALL_COUNT.part([1, 0], [0]).uncounted == ((False,), (True,))


def test_words_stand_in_all_formats_and_the_csv_says_what_does_not_count() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(NOT_ALL_COUNT))))
    assert [row["chosen on"] for row in rows] == ["source val", "test (oracle)", "source_val <b>"]
    assert [row["AUC A uncounted"] for row in rows] == ["True", "False", "False"]
    assert "AUC B uncounted" not in rows[0]
    assert "source\\_val" in to_latex(NOT_ALL_COUNT)
    assert "source_val &lt;b&gt;" in to_html(NOT_ALL_COUNT)
    assert "test (oracle)" in to_markdown(NOT_ALL_COUNT)


def test_a_column_of_words_has_no_numbers() -> None:
    with pytest.raises(ValueError, match="chosen on"):
        replace(NOT_ALL_COUNT, reasons=())
