import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from evaluation.tables import NO_VALUE, Column, Deviation, Interval, Rank, Table


def one_column(values: list[float | None], **options: object) -> Table:
    column = Column("AUC", **options)  # type: ignore[arg-type]
    names = tuple(f"d{i}" for i in range(len(values)))
    return Table("caption", "Detector", names, (column,), tuple((value,) for value in values))


def ranks(values: list[float | None], **options: object) -> str:
    letters = {Rank.BEST: "b", Rank.SECOND: "s", None: "."}
    return "".join(letters[row[0]] for row in one_column(values, **options).ranks())


def test_best_and_second_follow_the_direction() -> None:
    assert ranks([0.7, 0.9, 0.8, None]) == ".bs."
    assert ranks([0.7, 0.9, 0.8], higher_is_better=False) == "b.s"
    assert ranks([0.7, 0.9, 0.8], higher_is_better=None) == "..."


def test_values_that_print_alike_share_a_rank() -> None:
    assert ranks([0.98761, 0.98759, 0.9, 0.9]) == "bbss"
    assert ranks([0.98761, 0.98759], format=".5f") == "bs"


def test_a_lone_value_is_not_ranked() -> None:
    assert ranks([0.9]) == "."
    assert ranks([0.9, None]) == ".."
    assert ranks([]) == ""


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 9)), min_size=1, max_size=6), st.integers(1, 9))
def test_parts_of_a_wide_table_hold_all_of_it_and_keep_groups_together(
    widths: list[tuple[str, int]], most: int
) -> None:
    groups = [f"{name}{number}" for number, (name, width) in enumerate(widths) for _ in range(width)]
    columns = tuple(Column(f"c{number}", group=group) for number, group in enumerate(groups))
    values = tuple(tuple(float(row + number) for number in range(len(groups))) for row in range(2))
    spreads = tuple(tuple(Deviation(value) for value in row) for row in values)
    table = Table("caption", "Detector", ("a", "b"), columns, values, ("note",), spreads)
    parts = table.in_parts(most)
    assert all(len(part.columns) <= most for part in parts)
    assert tuple(column for part in parts for column in part.columns) == columns
    for row in range(2):
        assert tuple(value for part in parts for value in part.values[row]) == values[row]
        assert tuple(spread for part in parts for spread in part.spreads[row]) == spreads[row]
    for name in set(groups):
        holders = sum(name in {column.group for column in part.columns} for part in parts)
        assert holders == 1 or groups.count(name) > most
    assert [part.footnotes for part in parts] == [()] * (len(parts) - 1) + [("note",)]
    assert [part.caption for part in parts] == (
        ["caption"] if len(parts) == 1 else [f"caption ({n} of {len(parts)})" for n in range(1, len(parts) + 1)]
    )


@given(st.lists(st.none() | st.floats(0, 1), min_size=2, max_size=12), st.booleans())
def test_no_value_prints_better_than_the_best(values: list[float | None], higher: bool) -> None:
    table = one_column(values, higher_is_better=higher)
    printed = [text for (text,) in table.text()]
    marks = [rank for (rank,) in table.ranks()]
    present = [float(text) for text in printed if text != NO_VALUE]
    best = {float(text) for text, mark in zip(printed, marks, strict=True) if mark is Rank.BEST}
    second = {float(text) for text, mark in zip(printed, marks, strict=True) if mark is Rank.SECOND}
    if len(present) < 2:
        assert not best
        return
    order = sorted(set(present), reverse=higher)
    assert best == {order[0]}
    assert second == set(order[1:2])


def grid() -> Table:
    columns = (
        Column("FF++", group="frame AUC"),
        Column("CDFv2", group="frame AUC"),
        Column("DFDC", group="frame AUC"),
        Column("CDFv2", False, group="frame EER"),
        Column("Frames", None, format=".0f"),
    )
    return Table("c", "Detector", ("a", "b"), columns, ((0.9, 0.5, 0.7, 0.1, 10), (0.8, None, 0.6, 0.2, 20)))


def test_the_mean_over_an_incomplete_row_is_empty() -> None:
    table = grid().mean_column("Avg.", "frame AUC")
    assert [column.name for column in table.columns] == ["FF++", "CDFv2", "DFDC", "Avg.", "CDFv2", "Frames"]
    assert table.values[0][3] == pytest.approx(0.7)
    assert table.values[1][3] is None
    assert table.columns[3].group == "frame AUC"
    assert table.values[0][4:] == (0.1, 10)


def test_the_mean_may_be_over_some_columns_of_the_group() -> None:
    table = grid().mean_column("C-Avg.", "frame AUC", over=["FF++", "DFDC"])
    assert table.values[1][3] == pytest.approx(0.7)
    assert grid().mean_column("Avg.", "frame EER").columns[4] == Column("Avg.", False, "frame EER")


def test_a_mean_over_unknown_columns_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown column 'CDFv3'; did you mean 'CDFv2'"):
        grid().mean_column("Avg.", "frame AUC", over=["CDFv3"])
    with pytest.raises(InputError, match="unknown column group 'frame AOC'; did you mean 'frame AUC'"):
        grid().mean_column("Avg.", "frame AOC")


def test_columns_of_different_direction_have_no_mean() -> None:
    columns = (Column("AUC"), Column("EER", False))
    with pytest.raises(ValueError, match="different direction"):
        Table("c", "D", ("a",), columns, ((0.9, 0.1),)).mean_column("Avg.")


def test_a_table_that_does_not_hold_together_is_refused() -> None:
    with pytest.raises(ValueError, match="rows of 1 columns"):
        Table("c", "D", ("a",), (Column("x"),), ((1.0, 2.0),))
    with pytest.raises(ValueError, match="2 rows"):
        Table("c", "D", ("a", "b"), (Column("x"),), ((1.0,),))
    with pytest.raises(ValueError, match="finite"):
        one_column([float("nan")])
    columns = (Column("x", group="g"), Column("y"), Column("z", group="g"))
    with pytest.raises(ValueError, match="side by side"):
        Table("c", "D", (), columns, ())


def spread_grid() -> Table:
    columns = (Column("A", group="g"), Column("B", group="g", spread_format=".1f"))
    spreads = ((Interval(0.5, 0.75), None), (Deviation(0.125), Deviation(0.25)))
    return Table("c", "D", ("a", "b"), columns, ((0.6, 0.7), (0.9, 0.8)), spreads=spreads)


def test_spreads_print_beside_their_values() -> None:
    assert spread_grid().spread_text() == [["[0.500, 0.750]", ""], ["± 0.125", "± 0.2"]]
    assert grid().spread_text() == [[""] * 5] * 2


def test_a_mean_has_no_spread() -> None:
    assert [row[-1] for row in spread_grid().mean_column("Avg.", "g").spreads] == [None, None]
    assert spread_grid().mean_column("Avg.", "g").spreads[1][:2] == (Deviation(0.125), Deviation(0.25))


def test_spreads_that_do_not_fill_the_table_are_refused() -> None:
    with pytest.raises(ValueError, match="do not hold rows of \\[1\\] spreads"):
        Table("c", "D", ("a",), (Column("x"), Column("y")), ((1.0, 2.0),), spreads=((None,),))
