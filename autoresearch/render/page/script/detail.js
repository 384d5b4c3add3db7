// ---- one experiment ----
const dialog = byId("detail");
const body = byId("body");
const opened = { number: null, told: "" };
const unpack = async (at) => {
  packed ??= JSON.parse(unread);
  if (!blocks.has(at)) {
    const bytes = Uint8Array.from(atob(packed.blocks[at]), (each) => each.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    blocks.set(at, await new Response(stream).json());
  }
  return blocks.get(at);
};
const detail = async (row) => {
  packed ??= JSON.parse(unread);
  const block = await unpack(Math.floor(row.place / packed.size));
  return block[row.place % packed.size];
};
const table = (names, lines) => html("div", { class: "wide" }, html("table", {},
  html("thead", {}, html("tr", {}, ...names.map((name) => html("th", {}, name)))),
  html("tbody", {}, ...lines.map((cells) => html("tr", {}, ...cells.map((cell) => html("td", {}, html("bdi", {}, cell))))))));
const code = (text) => html("pre", {}, ...text.split("\n").map((each) => {
  const kind = each.startsWith("@@") ? "hunk" : each.startsWith("+++") || each.startsWith("---") ? "hunk"
    : each.startsWith("+") ? "add" : each.startsWith("-") ? "remove" : "";
  return html("span", kind ? { class: kind } : {}, each);
}));
const part = (name, ...made) => [html("h3", {}, name), ...made];
const written = (row, full, chart) => [
  html("h2", {}, `experiment ${row.number} · `, html("span", { class: full.fate }, full.fate)),
  html("p", { class: "hypothesis" }, html("bdi", {}, full.hypothesis)),
  html("dl", {}, ...full.rows.flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, html("bdi", {}, value))])),
  ...(full.pairs.length ? part(`evidence, pair by pair: ${data.metric.name} (${data.metric.trust})`,
    table(["seed", "incumbent", "this", "difference"], full.pairs)) : []),
  ...(full.curve.length ? part("learning curve (blue) and its incumbent's (grey)", chart) : []),
  ...(full.change ? part("change", code(full.change)) : []),
  ...(full.trials.length ? part("trials", table(
    ["trial", "seed", "for", "ending", `${data.metric.name} (${data.metric.trust})`, "start-up", "training", "scoring", "steps", "memory"],
    full.trials)) : []),
  ...(full.traceback ? part("traceback", code(full.traceback)) : []),
  ...(full.later.length ? part("ideas for later", ...full.later.map((each) => html("p", {}, html("bdi", {}, each)))) : []),
  ...(full.log ? part("end of the log", code(full.log)) : []),
];
const show = async (number) => {
  const row = byNumber.get(number);
  if (!row) return;
  const full = await detail(row);
  const said = JSON.stringify(full);
  const again = dialog.open && opened.number === number;
  if (again && opened.told === said) return; // whoever reads it keeps the place
  Object.assign(opened, { number, told: said });
  const chart = html("div", { class: "chart" });
  body.replaceChildren(...written(row, full, chart));
  if (!dialog.open) dialog.showModal();
  if (!again) dialog.scrollTop = 0;
  if (full.curve.length) {
    curvesIn(chart, [{ points: full.before, kind: "" }, { points: full.curve, kind: "own" }].filter((each) => each.points.length), "learning curve");
  }
  view.chosen = row.place;
};
const open = (number) => {
  hideTip();
  if (location.hash === `#e${number}`) show(number); else location.hash = `e${number}`;
};
const followHash = () => {
  const number = Number(/^#e(\d+)$/.exec(location.hash)?.[1]);
  if (number) show(number); else if (dialog.open) dialog.close();
};
const beside = (event) => {
  const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const row = move && rows[(view.chosen ?? 0) + move];
  if (row) open(row.number);
};
