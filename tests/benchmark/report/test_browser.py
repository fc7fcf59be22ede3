"""The page in Chromium: sorting, no sideways scroll on a phone, no errors, nothing from the network."""

import html
import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from benchmark.report.page import Facts, Picture, Report, Section, write_report
from evaluation.tables import Column, Interval, Table
from tests.benchmark.report.test_page import HOSTILE, PNG, SVG

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to show the page in")

ROWS = {"b10": (0.5, 1000.0), "b9": (None, 20.0), "a": (0.75, None), "c": (0.25, 3.0)}
# Loads the page into a frame as wide as a phone, presses its headings, and writes down what happened.
WRAPPER = """<!DOCTYPE html><meta charset="utf-8"><body><script>
const frame = document.createElement("iframe");
frame.width = 390; frame.height = 800; frame.srcdoc = PAGE;
frame.onload = () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const table = page.querySelector("table"), body = table.tBodies[0];
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const presses = [1, 1, 0, 0, 2].map((column) => {
    const button = headings[column].querySelector("button");
    button.focus();
    button.click();
    return [
      [...body.rows].map((row) => row.cells[0].textContent),
      headings.map((heading) => heading.getAttribute("aria-sort")),
      page.activeElement === button,
    ];
  });
  const answer = {
    presses,
    width: page.documentElement.scrollWidth,
    loaded: view.performance.getEntriesByType("resource").map((entry) => entry.name),
    pictures: [...page.images].map((image) => image.complete && image.naturalWidth > 0),
    buttons: [...page.querySelectorAll("table")].map((each) => each.querySelectorAll("button").length),
    styled: view.getComputedStyle(page.querySelector(".best")).backgroundColor,
  };
  const out = document.createElement("pre");
  out.textContent = JSON.stringify(answer);
  document.body.replaceChildren(out);
};
document.body.append(frame);
</script>"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What the page did, and what Chromium said of it."""
    folder = tmp_path_factory.mktemp("browser")
    columns = (Column("AUC", group="frame"), Column("videos", None, format=",.0f", group="count"))
    spreads = tuple((Interval(0.1, 0.9) if values[0] else None, None) for values in ROWS.values())
    sortable = Table("Runs", "Detector", tuple(ROWS), columns, tuple(ROWS.values()), spreads=spreads)
    many = tuple(Column(f"column {number}", None) for number in range(20))
    wide = Table("Wide", "Row", (HOSTILE,), many, (tuple(map(float, range(20))),))
    blocks = (sortable, wide, Picture(SVG, HOSTILE), Picture(PNG, "b"), Facts((("sha256", "0f" * 32),), "x" * 80))
    write_report(folder / "report.html", Report(HOSTILE, "l", tuple(Section(f"s {n}", blocks) for n in range(3))))
    page = json.dumps((folder / "report.html").read_text(encoding="utf-8")).replace("</", "<\\/")
    (folder / "wrapper.html").write_text(WRAPPER.replace("PAGE", page), encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--enable-logging=stderr",
    ]
    command = [str(CHROMIUM), *options, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    answer = subprocess.run(
        [*command, "--dump-dom", (folder / "wrapper.html").as_uri()], capture_output=True, text=True, timeout=120
    )
    found = re.search(r"<pre>(.*)</pre>", answer.stdout, re.DOTALL)
    assert found, answer.stderr
    return json.loads(html.unescape(found[1])), answer.stderr


def test_headings_sort_in_both_directions_with_dashes_last(shown) -> None:
    rows = [order for order, _, _ in shown[0]["presses"]]
    assert rows == [
        ["a", "b10", "c", "b9"],
        ["c", "b10", "a", "b9"],
        ["a", "b9", "b10", "c"],
        ["c", "b10", "b9", "a"],
        ["b10", "b9", "c", "a"],
    ]


def test_the_sorted_heading_says_so_and_keeps_the_focus(shown) -> None:
    presses = shown[0]["presses"]
    assert [state for _, state, _ in presses] == [
        [None, "descending", None],
        [None, "ascending", None],
        ["ascending", None, None],
        ["descending", None, None],
        [None, None, "descending"],
    ]
    assert all(has_focus for _, _, has_focus in presses)


def test_a_table_of_one_row_has_nothing_to_sort_and_a_wide_one_comes_in_parts(shown) -> None:
    assert shown[0]["buttons"] == [3, 0, 0] * 3


def test_no_sideways_scroll_on_a_phone(shown) -> None:
    assert shown[0]["width"] <= 390


def test_style_and_pictures_are_there_and_nothing_is_loaded_or_complained_of(shown) -> None:
    answer, said = shown
    assert all(answer["pictures"])
    assert answer["styled"] not in ("rgba(0, 0, 0, 0)", "transparent")
    assert [name for name in answer["loaded"] if not name.startswith("data:")] == []
    assert "CONSOLE" not in said
