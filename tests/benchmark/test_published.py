"""`assay published` as a user meets it."""

import csv
import io

import pytest

from evaluation.published import AVERAGES, FOLDER, read_source, source_names
from evaluation.render import FORMATS


def test_without_a_name_all_sources_are_listed_with_their_tables(assay):
    code, out, _ = assay("published")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == source_names()
    for name in source_names():
        assert f"tables: {', '.join(read_source(name).tables)}\n" in out


@pytest.mark.parametrize("name", source_names())
def test_a_table_has_all_figures_with_the_digits_that_are_printed(assay, name: str):
    for table in read_source(name).tables.values():
        code, out, _ = assay("published", name, table.name, "--format", "csv")
        assert code == 0
        lines = list(csv.reader(io.StringIO(out)))
        assert [line[0] for line in lines[1:]] == table.rows
        figures = sorted(float(value) for line in lines[1:] for value in line[1:] if value)
        assert figures == sorted(float(figure.value) for figure in table.figures)
        drawn = assay("published", name, table.name).out
        assert all(str(figure.value) in drawn for figure in table.figures)


def test_a_mean_that_is_not_that_of_its_figures_is_said(assay):
    out = assay("published", "prodet", "Table 3").out
    assert "C-Avg. of + CBI-FB is printed as 0.8254, its figures have 0.82610" in out
    assert out.count("is printed as") == 1
    assert "as published" in out


@pytest.mark.parametrize("form", FORMATS)
def test_without_a_table_all_of_a_source_are_shown(assay, form: str):
    out = assay("published", "realid", "--format", form).out
    for value in ("9516", "9077", "9379", "9183"):  # one of each table
        assert f"0.{value}" in out


def test_averages_are_what_the_file_has(assay):
    assert assay("published", "--averages").out == (FOLDER / AVERAGES).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prodett",), "unknown published source 'prodett'; did you mean 'prodet'?"),
        (("adfd", "Table 22"), "unknown table of adfd 'Table 22'; did you mean 'Table 2'?"),
        (("adfd", "--averages"), "--averages is of all sources"),
    ],
)
def test_mistakes_are_answered(assay, arguments, message: str):
    code, _, err = assay("published", *arguments)
    assert code == 2
    assert message in err
