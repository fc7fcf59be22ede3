"use strict";

/** What a cell sorts by: a row's name, or the number that its text begins with (NaN for a dash). */
function sortKey(cell) {
  const text = cell.textContent.trim();
  return cell.tagName === "TH" ? text : Number.parseFloat(text.replaceAll(",", ""));
}

/** The positions of keys in ascending or descending order; what is no number comes last in both, ties stay. */
function sortedOrder(keys, descending) {
  const sign = descending ? -1 : 1;
  return keys.map((_, index) => index).sort((one, other) => {
    const [a, b] = [keys[one], keys[other]];
    if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return sign * (a - b);
  });
}

/** Sort a table by one of its headings: the other way round if it is sorted by it already. */
function sortBy(headings, column, body) {
  const now = headings[column].getAttribute("aria-sort");
  const descending = now ? now === "ascending" : column > 0;
  const rows = [...body.rows];
  const keys = rows.map((row) => sortKey(row.cells[column]));
  body.append(...sortedOrder(keys, descending).map((index) => rows[index]));
  headings.forEach((heading) => heading.removeAttribute("aria-sort"));
  headings[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
}

for (const table of document.querySelectorAll("figure.table table")) {
  const [body] = table.tBodies;
  if (body.rows.length > 1) {
    const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sortBy(headings, column, body));
      heading.append(button);
    });
  }
}
