"""Published figures: what ships agrees with itself, printed means are recomputed, bad files are answered."""

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from evaluation.published import (
    AVERAGES,
    FOLDER,
    PublishedFigure,
    PublishedTable,
    averages_csv,
    read_source,
    source_names,
)

SHARES = {"auc", "eer", "ap", "acc"}
HEADER = ",".join(PublishedFigure.__slots__)
GOOD = "Table 1,A,,X,,frame,auc,0.90,,,"


def figure(heading: str, value: Decimal | str, mean_of: tuple[str, ...] = (), level: str = "frame") -> PublishedFigure:
    return PublishedFigure("Table 1", "A", "", heading, "", level, "auc", Decimal(value), mean_of, "", "")


def average(*figures: PublishedFigure):
    (found,) = PublishedTable("paper", "Table 1", figures).averages()
    return found


def by_cell(source: str, table: str) -> dict[tuple[str, str], Decimal]:
    figures = read_source(source).table(table).figures
    return {(one.row, one.heading): one.value for one in figures if one.metric == "auc"}


@pytest.mark.parametrize("name", source_names())
def test_shipped_figures_are_read_and_shares_are_fractions(name: str):
    source = read_source(name)
    assert source.tables
    figures = [one for table in source.tables.values() for one in table.figures]
    assert len(figures) == len((FOLDER / f"{name}.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert all(0 < one.value < 1 or one.value == 1 for one in figures if one.metric in SHARES)
    means = [one for one in figures if "avg" in one.heading.lower()]
    assert [one.key for one in means if not one.mean_of and (name, one.table) not in {("adfd", "Figure 5")}] == [
        one.key for one in means if one.metric == "auc_gain"
    ]


def test_every_csv_is_of_a_source():
    assert {path.stem for path in FOLDER.glob("*.csv")} == {*source_names(), "sources", Path(AVERAGES).stem}
    assert all(f"`{path.name}`" in (FOLDER / "README.md").read_text(encoding="utf-8") for path in FOLDER.glob("*.csv"))


def test_the_file_of_averages_is_that_of_the_figures():
    assert (FOLDER / AVERAGES).read_text(encoding="utf-8") == averages_csv()


def test_averages_by_another_road():
    """By tables of pandas: the same means, and those marked that are more than a unit of the last digit away."""
    found = pd.read_csv(FOLDER / AVERAGES, dtype={"printed": str}, keep_default_na=False)
    checked = 0
    for name in source_names():
        lines = pd.read_csv(FOLDER / f"{name}.csv", dtype={"value": str}, keep_default_na=False)
        lines["heading"] = [f"{a}, {b}" if b else a for a, b in zip(lines.test_set, lines.perturbation, strict=True)]
        own = found[found.source == name]
        assert len(own) == (lines.mean_of != "").sum()
        for mean in own.itertuples():
            (asked,) = lines[
                (lines.table == mean.table)
                & (lines.row == mean.row)
                & (lines.heading == mean.heading)
                & (lines.level == mean.level)
                & (lines.metric == mean.metric)
            ].to_dict("records")
            of_row = lines[(lines.table == mean.table) & (lines.row == mean.row) & (lines.metric == mean.metric)]
            parts = of_row[of_row.heading.isin(asked["mean_of"].split("; "))]
            if mean.level != "mixed":
                parts = parts[parts.level == mean.level]
            assert asked["value"] == mean.printed
            if len(parts) < len(asked["mean_of"].split("; ")):
                assert (mean.recomputed, mean.disagrees) == ("", "")
                continue
            again = parts.value.astype(float).mean()
            unit = 10.0 ** -len(mean.printed.partition(".")[2])
            assert float(mean.recomputed) == pytest.approx(again, abs=0.006 * unit)
            assert (abs(float(mean.printed) - again) > 1.000001 * unit) == (mean.disagrees == "yes")
            checked += 1
    assert checked > 200


def test_means_that_papers_misprint_are_marked():
    marked = [line.split(",") for line in averages_csv().splitlines() if line.endswith(",yes")]
    assert ["prodet", "Table 1", "IID", "C-Avg.", "frame", "auc", "0.7462", "0.745950", "yes"] in marked
    assert ["realid", "Table 2", "ViT-L+RealID", "AVG", "unstated", "auc", "0.9077", "0.905800", "yes"] in marked
    assert ["prodet", "Table 1", "SBI"] not in [line[:3] for line in marked]  # 0.7814 for 0.781475: rounding


def test_papers_that_cite_deepfakebench_have_its_figures():
    """Both ProDet's Table 1 and FIA-USA's Table 2 do, but for what is noted of them."""
    theirs = by_cell("deepfakebench", "README")
    sets = {"FF++": "FF++_c23", "CDF-v1": "CDFv1", "CDF-v2": "CDFv2"}
    names = {"X-ray": "Face X-ray", "CapsuleNet": "Capsule"}
    others, compared = set(), 0
    for paper, table in (("prodet", "Table 1"), ("fia_usa", "Table 2")):
        for one in read_source(paper).table(table).figures:
            place = (names.get(one.row, one.row), sets.get(one.heading, one.heading))
            if one.metric == "auc" and place in theirs:
                compared += 1
                others |= {(one.row, one.heading)} if abs(theirs[place] - one.value) > one.rounding else set()
    assert compared > 100
    assert others == {("F3Net", "CDF-v2"), ("F3Net", "DFD"), ("Recce", "DFDCP")}


def test_one_detector_has_the_same_figures_in_all_tables_of_its_paper():
    baseline = {heading: value for (row, heading), value in by_cell("adfd", "Table 2").items() if row == "SBI w/ LAL"}
    for table, row in (
        ("Table 3", "LINE_AA, float32, 255, LAL"),
        ("Table 5", "color, frequency, affine"),
        ("Table 6", "target/source transform"),
        ("Table 7", "dynamic blend"),
        ("Table 8", "SBI"),
        ("Table 11", "SBI w/ LAL"),
    ):
        again = {heading: value for (name, heading), value in by_cell("adfd", table).items() if name == row}
        own = dict(baseline)
        if "FF++" not in again:
            own = {heading: own[heading] for heading in ("CDF", "DFDC", "DFDCP", "FFIW")}
            own["Avg"] = baseline["Avg w/o FF++"]
        assert again == own
    prodet, realid = by_cell("prodet", "Table 1"), by_cell("realid", "Table 1")
    for theirs, ours in (("Celeb-DF", "CDFv2"), ("DFDC", "DFDC"), ("DFDCp", "DFDCP")):
        assert realid["ProDet", theirs] == prodet["ProDet (Ours)", ours]


@given(
    st.lists(st.decimals(0, 1, places=8), min_size=1, max_size=6),
    st.integers(2, 4),
    st.integers(0, 3),
    st.integers(2, 9),
)
def test_rounding_alone_never_disagrees_and_more_than_it_does(true: list[Decimal], digits: int, coarser: int, off: int):
    """A mean of true values, both rounded as printed, the mean to as many digits or fewer."""
    unit = Decimal(1).scaleb(-digits)
    last = unit.scaleb(min(coarser, digits - 1))
    parts = [value.quantize(unit, ROUND_HALF_UP) for value in true]
    mean = sum(true, Decimal(0)) / len(true)
    names = tuple(f"X{place}" for place in range(len(parts)))
    of = [figure(name, part) for name, part in zip(names, parts, strict=True)]
    printed = mean.quantize(last, ROUND_HALF_UP)
    assert not average(*of, figure("Avg.", printed, names)).disagrees
    assert average(*of, figure("Avg.", printed + off * last + unit, names)).disagrees


def test_a_mean_is_of_its_own_level_and_none_if_a_figure_is_not_printed():
    frames, videos = figure("X", "0.5"), figure("X", "0.9", level="video")
    assert average(frames, videos, figure("Avg.", "0.9", ("X",), level="video")).recomputed == pytest.approx(0.9)
    assert average(figure("Avg.", "0.5", ("X", "Y")), frames).recomputed is None
    assert not average(figure("Avg.", "0.1", ("X", "Y")), frames).disagrees
    mixed = average(frames, figure("Y", "0.9", level="video"), figure("Avg.", "0.7", ("X", "Y"), level="mixed"))
    assert mixed.recomputed == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([GOOD], ""),
        ([GOOD.replace("0.90", "high")], "line 2: value: expected a number, not 'high'"),
        ([GOOD, GOOD.replace("0.90", "nan").replace("X", "Y")], "line 3: value: expected a finite number"),
        ([GOOD.replace("frame", "frames")], "did you mean 'frame'"),
        ([GOOD, GOOD], "line 3: there is another figure of Table 1, A, X, frame, auc"),
        ([GOOD + ","], "line 2: expected 11 values"),
        (["Table 1"], "line 2: expected 11 values"),
    ],
)
def test_bad_files_are_answered_in_a_sentence(tmp_path: Path, lines: list[str], message: str):
    (tmp_path / "sources.csv").write_text("name,title,citation\npaper,Paper (2020),A paper\n", encoding="utf-8")
    (tmp_path / "paper.csv").write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    if message:
        with pytest.raises(InputError, match=message):
            read_source("paper", tmp_path)
        return
    assert read_source("paper", tmp_path).table("Table 1").rows == ["A"]
    with pytest.raises(InputError, match="unknown table of paper 'Table I'; did you mean 'Table 1'"):
        read_source("paper", tmp_path).table("Table I")
    with pytest.raises(InputError, match="unknown published source 'papers'; did you mean 'paper'"):
        read_source("papers", tmp_path)
    (tmp_path / "paper.csv").write_text("row,table\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected the columns table, row"):
        read_source("paper", tmp_path)
    (tmp_path / "paper.csv").unlink()
    with pytest.raises(InputError, match="No such file"):
        read_source("paper", tmp_path)
