// ---- the other charts ----
const curvesIn = (where, curves, title) => {
  const ends = curves.flatMap(({ points }) => points.map((point) => point[1]));
  const high = quantile(ends, 0.93);
  const low = Math.min(...ends);
  const made = frame(where, {
    x: [0, 1], y: widened([low, Math.max(high, low + 1e-6)], 0.04),
    height: 240, below: "share of the budget", above: "training loss", title,
  });
  for (const { points, kind, row } of curves) {
    const inside = points.map(([x, y]) => [made.x(x), Math.max(made.inner.top, made.y(y))]);
    made.svg.append(line(inside, `curve ${kind}`));
    if (row) made.svg.append(pointedAt(line(inside, "hit"), row));
  }
  where.replaceChildren(made.svg);
};
const pointedAt = (made, row, ...further) => {
  made.onpointermove = (event) => showTip(event, ...told(row), ...further);
  made.onpointerleave = hideTip;
  made.onclick = () => open(row.number);
  return made;
};
const curves = (where) => {
  if (!data.curves.length) return empty(where, "No curve was recorded.");
  const last = data.curves.length - 1;
  curvesIn(where, data.curves.map((each, at) => ({
    points: each.points, row: byNumber.get(each.number), kind: at === last ? "last" : at === 0 ? "first" : "",
  })), "training loss of what was kept");
  where.append(note(
    `experiment ${data.curves[last].number} (green), ${data.curves[0].number} (amber), those between (grey)`));
};
const predicted = (where) => {
  const both = rows.filter((row) => row.predicted !== null && row.effect !== null);
  if (both.length < 2) return empty(where, "Too few predictions.");
  const reach = Math.max(...["predicted", "effect"].map((name) => quantile(both.map((row) => Math.abs(row[name])), 0.96)));
  const range = widened([-reach, reach]);
  const made = frame(where, {
    x: range, y: range, height: 300, below: `predicted, ${data.metric.unit}`, above: `what came of it, ${data.metric.unit}`,
    left: 64, title: "predicted and actual effects",
  });
  const inside = (value) => Math.max(range[0], Math.min(range[1], value));
  made.svg.append(
    line([[made.x(range[0]), made.y(0)], [made.x(range[1]), made.y(0)]], "zero"),
    line([[made.x(0), made.y(range[0])], [made.x(0), made.y(range[1])]], "zero"),
    line([[made.x(range[0]), made.y(range[0])], [made.x(range[1]), made.y(range[1])]], "seen"));
  for (const row of both) {
    const dot = draw("circle", { class: kindOf(row), cx: made.x(inside(row.predicted)), cy: made.y(inside(row.effect)), r: row.kept ? 4.5 : 2.8 });
    made.svg.append(pointedAt(dot, row, `predicted ${signed(row.predicted)}`));
  }
  where.replaceChildren(made.svg, note(`on the dashed line a prediction came true; ${data.metric.better}`));
};
const forest = (list, sayNothing, seen = null) => (where) => {
  if (!list.length) return empty(where, sayNothing);
  const reach = extent([0, ...(seen === null ? [] : [seen]), ...list.flatMap((each) => [each.low, each.high])]);
  const step = list.length > 15 ? 15 : 22;
  const left = Math.min(170, where.clientWidth * 0.36);
  const made = frame(where, {
    x: widened(reach), y: [0, 1], height: 56 + step * list.length, left,
    below: `gain, ${data.metric.unit}: to the right is better`, title: "gains with their intervals",
  });
  made.svg.querySelectorAll(".grid, .level").forEach((each) => each.remove());
  const upright = (value, kind) => line([[made.x(value), made.inner.top], [made.x(value), made.inner.bottom]], kind);
  made.svg.append(upright(0, "zero"));
  if (seen !== null) made.svg.append(upright(seen, "seen"));
  list.forEach((each, at) => {
    const y = made.inner.top + step * (at + 0.6);
    const row = draw("g", {},
      draw("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, short(each.label, Math.floor(left / 6.2))),
      draw("line", { class: "range", x1: made.x(each.low), x2: made.x(each.high), y1: y, y2: y }),
      draw("circle", { class: each.low > 0 ? "dot good" : each.high < 0 ? "dot bad" : "dot", cx: made.x(each.value), cy: y, r: 4 }));
    row.onpointermove = (event) => showTip(event, each.label,
      `${signed(each.value, 1)} ${data.metric.unit} (${signed(each.low, 1)} to ${signed(each.high, 1)})`, each.note);
    row.onpointerleave = hideTip;
    if (each.number !== undefined) row.onclick = () => open(each.number);
    made.svg.append(row);
  });
  where.replaceChildren(made.svg);
};
const money = (where) => {
  if (!data.money || !rows.length) return empty(where, "No call was made, and the machine has no price.");
  const spent = rows.map((row) => [row.minutes / 60, row.usd]);
  const made = frame(where, {
    x: widened(extent(spent.map(([x]) => x)), 0), y: [0, spent[spent.length - 1][1] * 1.05 || 1],
    height: 190, below: "hours", above: "US dollars so far", title: "dollars spent so far",
  });
  made.svg.append(line(spent.map(([x, y]) => [made.x(x), made.y(y)]), "best"));
  where.replaceChildren(made.svg, note("of experiments, by their opening"));
};
const time = (where) => {
  const whole = data.time.reduce((sum, [, seconds]) => sum + seconds, 0);
  if (!whole) return empty(where, "No trial has ended yet.");
  const width = Math.max(where.clientWidth, 260);
  const svg = draw("svg", { viewBox: `0 0 ${width} 26`, role: "img", "aria-label": "where the time went" });
  const keys = html("ul", { class: "keys" });
  let from = 0;
  data.time.forEach(([name, seconds], at) => {
    const wide = (seconds / whole) * width;
    const share = `${((100 * seconds) / whole).toFixed(seconds / whole < 0.1 ? 1 : 0)}%`;
    const part = draw("rect", { class: `part${at}`, x: from, y: 2, width: wide, height: 22 });
    part.onpointermove = (event) => showTip(event, name, `${duration(seconds)}, ${share}`);
    part.onpointerleave = hideTip;
    svg.append(part);
    const key = draw("svg", { class: "key", viewBox: "0 0 1 1", "aria-hidden": "true" }, draw("rect", { class: `part${at}`, width: 1, height: 1 }));
    keys.append(html("li", {}, key, `${name} ${duration(seconds)} (${share})`));
    from += wide;
  });
  where.replaceChildren(svg, keys);
};
const effects = (where) => {
  forest(data.effects, "No effect was measured yet.", data.seen)(where);
  if (data.effects.length) {
    where.append(note(
      "what keeps and near misses are believed to have gained, with 95% intervals" +
      (data.seen === null ? "" : "; dashed: the smallest gain that pairs would confirm")));
  }
};
const charts = {
  progress, curves, predicted, money, time, effects,
  proposers: (where) => forest(data.proposers, "No control arm was run: give it turns with --control.")(where),
  categories: (where) => forest(data.categories, "No control arm was run, or nothing was kept.")(where),
};
const drawAll = () => { for (const [name, chart] of Object.entries(charts)) chart(box(name)); };
