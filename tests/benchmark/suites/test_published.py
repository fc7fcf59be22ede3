"""Published figures beside those of a suite: which they are, where cited rows stand, what a typo answers."""

from pathlib import Path
from statistics import fmean

import pytest

from benchmark.demo.prepare import STAMP
from benchmark.suites.columns import group_heading, suite_columns
from benchmark.suites.plan import plan_suite
from benchmark.suites.published import published_beside
from benchmark.suites.table import suite_table
from config.errors import InputError
from config.load import config_names, load_config, validate
from config.suite import SuiteConfig
from evaluation.published import read_source
from evaluation.tables import Table

NAMED = [name for name in config_names(SuiteConfig) if load_config(SuiteConfig, name).published]
SETS = {"CDFv1": "Celeb-DF-v1", "CDFv2": "Celeb-DF-v2", "DFDCP": "DFDCP", "DFDC": "DFDC"}
NO_COLUMNS = ("auc_gain", "top3_count")  # which follow from other rows
PUBLISHED = {"source": "prodet", "table": "Table 1"}


def suite_of(published: dict, rows: tuple[str, ...] = ("UCF", "Xception"), **more) -> SuiteConfig:
    columns = [{"metric": "frame_auc", "test": SETS, "averages": {"C-Avg.": []}}]
    asked = {
        "title": "A table",
        "train": ["FaceForensics++"],
        "rows": [{"name": name, "detector": "xception"} for name in rows],
        "columns": columns,
        "published": published,
        **more,
    }
    return validate(SuiteConfig, asked, "mine")


def table_of(suite: SuiteConfig, folder: Path, only: tuple[str, ...] = (), stamp: str = "") -> Table:
    return suite_table(plan_suite("mine", suite, folder, folder, only), stamp=stamp)


def printed(table: Table, row: str) -> dict[str, float | None]:
    own = table.published[table.rows.index(row)]
    return {column.name: value for column, value in zip(table.columns, own, strict=True)}


def test_all_tables_of_papers_have_their_published_figures():
    assert {name for name in config_names(SuiteConfig) if "_table" in name} <= {*NAMED}
    assert {(one.source, one.table) for one in (load_config(SuiteConfig, name).published for name in NAMED)} >= {
        (source, table)
        for source in ("prodet", "realid", "adfd", "fia_usa")
        for table in read_source(source).tables
        if table.startswith("Table") and (source, table) != ("fia_usa", "Table 7")  # which has channels
    }


@pytest.mark.parametrize("name", NAMED)
def test_every_row_and_column_has_figures_or_is_said_to_have_none(name: str, tmp_path: Path):
    suite = load_config(SuiteConfig, name)
    asked = suite.published
    table = table_of(suite, tmp_path)
    for row, values in zip(table.rows, table.published, strict=True):
        assert any(value is not None for value in values) == (asked.rows.get(row, row) is not None), row
    for place, column in enumerate(table.columns):
        keys = (f"{column.group}: {column.name}", column.group, column.name)
        called = next((asked.columns[key] for key in keys if key in asked.columns), column.name)
        has = any(values[place] is not None for values in table.published)
        assert has == (called is not None), column
    whole = read_source(asked.source).table(asked.table)
    shown = sorted(value for values in table.published for value in values if value is not None)
    assert shown == sorted(float(one.value) for one in whole.figures if one.metric not in NO_COLUMNS)
    assert table.cited == {row for row in table.rows if row not in {row.name for row in suite.rows}}


@pytest.mark.parametrize("name", NAMED)
def test_rows_stand_in_the_order_of_the_paper(name: str, tmp_path: Path):
    suite = load_config(SuiteConfig, name)
    order = read_source(suite.published.source).table(suite.published.table).rows
    called = [suite.published.rows.get(row, row) for row in table_of(suite, tmp_path).rows]
    places = [order.index(row) for row in called if row is not None]
    assert places == sorted(places)


def test_figures_of_one_paper_are_beside_the_figures_that_suites_measure(tmp_path: Path):
    """By hand: ADFD's Table 10 under its perturbations, ProDet's Table 7 on videos, FIA-USA's Table 6a on stills."""
    table = table_of(load_config(SuiteConfig, "adfd_table10"), tmp_path)
    of = dict(zip(((one.group, one.name) for one in table.columns), table.published[1], strict=True))
    assert table.rows == ("Baseline", "Ours")
    assert (of["Raw", "FF++"], of["Raw", "Avg"]) == (0.9952, 0.845)
    assert (of["Resize (s=256)", "FF++ resize"], of["Resize (s=128)", "FF++ resize"]) == (0.9929, 0.9816)
    assert (of["JPEGCompress (q=50)", "Avg"], of["JPEGCompress (q=100)", "Avg"]) == (0.8304, 0.8253)
    table = table_of(load_config(SuiteConfig, "prodet_table7"), tmp_path)
    of = dict(zip(((one.group, one.name) for one in table.columns), table.published[0], strict=True))
    assert (of["frame AUC", "WDF"], of["video AUC", "WDF"]) == (0.7275, 0.6883)
    table = table_of(load_config(SuiteConfig, "fia_usa_table6a"), tmp_path)
    assert list(printed(table, "w/o SR").values()) == [0.9325, 0.8681, 0.8073, 0.6107, 0.8046]
    table = table_of(load_config(SuiteConfig, "realid_table1"), tmp_path)
    of = {(one.group, one.name): place for place, one in enumerate(table.columns)}
    beside = {row: table.published[table.rows.index(row)] for row in ("ProDet", "SBI")}
    assert beside["ProDet"][of["frame AUC", "Celeb-DF"]] == beside["ProDet"][of["frame AUC", "DFDCp"]] + 0.0332
    assert beside["ProDet"][of["video AUC", "Celeb-DF"]] is None
    assert beside["SBI"][of["video AUC", "UADFV"]] == 0.9728


def test_measured_values_stay_with_their_rows_and_differ_from_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Rows in the paper's order, with rows of one's own behind the row above them; means and spreads too."""
    given = {"mine": 0.7, "UCF": 0.8, "Xception": 0.6}
    seeds = {1: 0.01, 2: 0.03}
    monkeypatch.setattr(
        "benchmark.suites.readings.Reading.value",
        lambda self, _: given[self.entry.row.name] + seeds[self.entry.cell.config.manualSeed],
    )
    suite = suite_of(PUBLISHED | {"rows": {"mine": None}}, ("UCF", "mine", "Xception"), seeds=[1, 2])
    table = table_of(suite, tmp_path)
    assert table.rows[0] == "Xception"
    assert table.rows[-3:] == ("UCF", "mine", "ProDet (Ours)")
    assert table.cited == {*read_source("prodet").table("Table 1").rows[:-1]} - {"UCF", "Xception"}
    for name, value in given.items():
        row = table.rows.index(name)
        assert table.values[row] == pytest.approx([value + 0.02] * 5)
        assert [spread.value for spread in table.spreads[row][:4]] == pytest.approx([0.0002**0.5] * 4)
    assert table.differences()[0] == pytest.approx([0.62 - value for value in table.published[0]])
    assert set(printed(table, "mine").values()) == {None}
    assert set(table.values[table.rows.index("Meso4")]) | set(table.spreads[table.rows.index("Meso4")]) == {None}


def test_a_mean_stays_as_it_is_printed_and_is_said_to_be_wrong(tmp_path: Path):
    table = table_of(suite_of(PUBLISHED), tmp_path)
    own = printed(table, "IID")
    assert own.pop("C-Avg.") == 0.7462
    assert fmean(own.values()) == pytest.approx(0.74595)
    assert table.footnotes[0].startswith("published figures: ProDet (NeurIPS 2024), Table 1; ")
    assert table.footnotes[1] == "C-Avg. of IID is printed as 0.7462, its figures have 0.74595"


def test_rows_that_were_not_chosen_are_not_cited(tmp_path: Path):
    table = table_of(suite_of(PUBLISHED), tmp_path, only=("UCF",))
    assert "UCF" in table.rows
    assert "Xception" not in table.rows
    assert "Meso4" in table.cited


def test_footnotes_say_on_what_others_were_trained(tmp_path: Path):
    (notes,) = (table_of(load_config(SuiteConfig, "adfd_table8"), tmp_path).footnotes,)
    assert "Face X-ray + BI, PCL+I2G, SBI, Ours, as published: trained on FF++, reals" in notes
    assert "SBI, Ours, as published: run by the paper" in notes
    alike = table_of(load_config(SuiteConfig, "realid_table3"), tmp_path / "alike").footnotes
    assert "as published: the paper has ticks for names" in alike


def test_figures_of_the_demo_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmark.suites.readings.Reading.value", lambda *_: 0.5)
    table = table_of(suite_of(PUBLISHED), tmp_path, stamp=STAMP)
    assert table.stamp.startswith("DEMO")
    assert printed(table, "UCF")["CDFv1"] == 0.7793
    assert {value for row in table.differences() for value in row} == {None}


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"sources": "prodet"}, "did you mean 'published.source'"),
        ({"source": "prodat"}, "unknown published source 'prodat'; did you mean 'prodet'"),
        ({"table": "Tabel 1"}, "unknown table of prodet 'Tabel 1'; did you mean 'Table 1'"),
        ({"table": "Table 7"}, "published.columns may give for 'frame AUC: CDFv1'"),
        ({"rows": {"UFC": "UCF"}}, "row of the suite in published.rows: 'UFC'; did you mean 'UCF'"),
        ({"rows": {"UCF": "UFC"}}, "published.rows may give for 'UCF', 'UFC'; did you mean 'UCF'"),
        ({"rows": {"UCF": None}}, "'UCF' is another row in Table 1"),
        ({"columns": {"CDFv3": "CDFv2"}}, "column of the suite in published.columns: 'CDFv3'; did you mean 'CDFv"),
        ({"columns": {"CDFv2": "CDFv3"}}, "may give for 'frame AUC: CDFv2', 'CDFv3'; did you mean 'CDFv"),
        ({"columns": {"CDFv2": "CDFv1"}}, "Table 1: CDFv1 stands beside 'frame AUC: CDFv1' and 'frame AUC: CDFv2'"),
        ({"columns": {"frame AUC": "CDFv2"}}, "'frame AUC' is a group of columns, which may only be null"),
        ({"columns": {"video AUC": None}}, "'video AUC'; did you mean 'frame AUC'"),
        ({"levels": {"frame": ["video"]}}, "published.columns may give for 'frame AUC: CDFv1'"),
        ({"levels": {"frame": ["frames"]}}, "levels.frame.0"),
        ({"source": "fia_usa", "table": "Table 2"}, "published.columns may give for 'frame AUC: CDFv1'"),
    ],
)
def test_a_typo_is_answered_before_anything_runs(published: dict, message: str, tmp_path: Path):
    with pytest.raises(InputError, match=message):
        plan_suite("mine", suite_of(PUBLISHED | published), tmp_path, tmp_path)


def test_two_levels_beside_one_are_refused():
    columns = [{"metric": "frame_auc", "test": {"DFD": "DeepFakeDetection"}}]
    asked = {"source": "prodet", "table": "Table 7", "levels": {"frame": ["frame", "video"]}}
    with pytest.raises(InputError, match="Table 7 has DFD of DF-only of several of"):
        published_beside(suite_of(asked, ("VHT",), columns=columns))


def test_groups_of_one_heading_are_told_apart_by_their_own(tmp_path: Path):
    """As for relative values, which no paper here prints."""
    group = {"metric": "frame_auc", "test": {"CDFv1": "Celeb-DF-v1"}, "perturb": "levels", "perturbations": ["jpeg"]}
    columns = [{"metric": "frame_auc", "test": SETS}, {**group, "relative": True, "levels": [1]}]
    with pytest.raises(InputError, match="may give for 'change of frame AUC: jpeg'"):
        published_beside(suite_of(PUBLISHED, columns=columns))
    suite = suite_of(PUBLISHED | {"columns": {"change of frame AUC": None}}, columns=columns)
    assert {group_heading(one.group, suite.columns) for one in suite_columns(suite.columns)} == {
        "frame AUC",
        "change of frame AUC",
    }
    assert {place[0] for _, place in published_beside(suite).figures} == {"frame AUC"}
