"""Assignments in one line."""

from hypothesis import given
from hypothesis import strategies as st

from config.assignment import assignment
from config.load import load_config
from config.schema import DetectorConfig

LETTERS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | LETTERS


@given(SCALARS | st.lists(SCALARS, max_size=3))
def test_a_value_is_read_back(value):
    text = assignment("options.key", value)
    assert "\n" not in text
    found = load_config(DetectorConfig, "xception", [text]).options["key"]
    assert (found, type(found)) == (value, type(value))
