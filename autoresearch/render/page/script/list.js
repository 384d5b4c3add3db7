// ---- the list of experiments ----
const PAGE = 60;
let listed = PAGE;
let filters;
const filter = byId("filter");
const find = byId("find");
const offer = () => {
  filters = new Map([["all", () => true], ["kept", (row) => row.kept], ["near misses", (row) => near.has(row.number)]]);
  for (const fate of new Set(rows.map((row) => row.fate))) {
    if (!filters.has(fate)) filters.set(fate, (row) => row.fate === fate);
  }
  const before = filter.value;
  filter.replaceChildren(...[...filters.keys()].map((name) => html("option", { value: name }, name)));
  filter.value = filters.has(before) ? before : "all";
};
const entry = (row) => html("tr", { "data-number": row.number },
  html("td", { class: "number" }, html("button", { class: "open", "data-number": row.number }, String(row.number))),
  html("td", { class: `tight ${row.fate}` }, row.fate),
  html("td", { class: "number" }, give(row.score, row.error)),
  html("td", { class: "number" }, effect(row)),
  html("td", { class: "tight proposer" }, html("bdi", {}, short(row.proposer, 26))),
  html("td", { class: "text" }, html("bdi", {}, row.hypothesis)));
const list = () => {
  const sought = find.value.trim().toLowerCase();
  const found = rows.filter(filters.get(filter.value)).filter((row) =>
    !sought || `${row.number} ${row.hypothesis} ${row.proposer} ${row.category}`.toLowerCase().includes(sought));
  const shown = found.slice().reverse().slice(0, listed);
  const focused = document.activeElement?.closest("#experiments tr")?.dataset.number;
  document.querySelector("#experiments tbody").replaceChildren(...shown.map(entry));
  document.querySelector(`#experiments button[data-number="${focused}"]`)?.focus({ preventScroll: true });
  byId("count").textContent = `${shown.length} of ${found.length}, newest first`;
  byId("more").hidden = shown.length >= found.length;
};
