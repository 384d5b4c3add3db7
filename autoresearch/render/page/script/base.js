// Texts reach the document as texts alone (textContent, append); nothing here makes HTML of them.

// ---- the study, as a page holds it ----
let data, rows, byNumber, near, scored, unread, packed, blocks;
const take = (source) => {
  data = JSON.parse(source.getElementById("data").textContent);
  rows = data.experiments.map((values, place) => {
    const row = { place };
    data.columns.forEach((name, at) => { row[name] = values[at]; });
    return row;
  });
  byNumber = new Map(rows.map((row) => [row.number, row]));
  near = new Set(data.near);
  scored = rows.filter((row) => row.score !== null);
  unread = source.getElementById("details").textContent;
  packed = null;
  blocks = new Map();
};
// Below, lower is better as it is: a metric that is better higher is turned round where it matters.
const way = () => (data.metric.higher ? -1 : 1);

// ---- small helpers ----
const SVG = "http://www.w3.org/2000/svg";
const set = (made, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const html = (tag, attributes = {}, ...children) => set(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => set(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);
const box = (name) => document.querySelector(`[data-chart="${name}"]`);
const short = (text, size) => (text.length > size ? `${text.slice(0, size - 1)}…` : text);
const fixed = (value, further = 0) => value.toFixed(data.metric.digits + further);
const error = (value) => (value === null ? "" : ` ± ${fixed(value)}`);
const signed = (value, further = 0) => {
  if (value === null) return "-";
  const shown = fixed(value, further);
  return value < 0 && Number(shown) !== 0 ? shown : `+${shown.replace("-", "")}`;
};
const give = (value, off) => (value === null ? "-" : fixed(value) + error(off));
const effect = (row) => signed(row.effect) + error(row.effect_error);
const scale = (from, to) => {
  const span = from[1] - from[0] || 1;
  const map = (value) => to[0] + ((value - from[0]) / span) * (to[1] - to[0]);
  map.back = (place) => from[0] + ((place - to[0]) / (to[1] - to[0] || 1)) * span;
  return map;
};
const ticks = ([low, high], count) => {
  const raw = (high - low) / count || 1;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(at);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return found.map((value) => [value, (value + 0).toFixed(Math.min(digits, 8)).replace(/^-(0\.?0*)$/, "$1")]);
};
const widened = ([low, high], share = 0.06) => {
  const room = (high - low) * share || Math.abs(high) * 0.01 || 1;
  return [low - room, high + room];
};
const extent = (values) => values.reduce(
  ([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
const quantile = (values, share) => {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
};
const duration = (seconds) => {
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

// ---- a frame with axes ----
const frame = (where, { x, y, height, below = "", above = "", left = 58, title }) => {
  const width = Math.max(where.clientWidth, 260);
  const inner = { left, right: width - 12, top: above ? 26 : 12, bottom: height - 34 };
  const made = {
    inner, width, height,
    x: scale(x, [inner.left, inner.right]),
    y: scale(y, [inner.bottom, inner.top]),
    svg: draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }),
  };
  for (const [value, told] of ticks(y, Math.max(2, height / 70))) {
    const at = made.y(value);
    made.svg.append(
      draw("line", { class: "grid", x1: inner.left, x2: inner.right, y1: at, y2: at }),
      draw("text", { class: "level", x: inner.left - 6, y: at + 4, "text-anchor": "end" }, told));
  }
  for (const [value, told] of ticks(x, Math.max(2, width / 110))) {
    made.svg.append(draw("text", { x: made.x(value), y: inner.bottom + 16, "text-anchor": "middle" }, told));
  }
  made.svg.append(
    draw("text", { x: inner.right, y: height - 4, "text-anchor": "end" }, below),
    draw("text", { x: 2, y: 13 }, above));
  return made;
};
const line = (points, kind) => draw("path", {
  class: kind, d: points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""),
});
const note = (told) => html("p", { class: "note" }, told);
const empty = (where, told) => where.replaceChildren(note(told));

// ---- the tip beside the pointer ----
const tip = byId("tip");
const showTip = (event, title, ...lines) => {
  tip.replaceChildren(html("strong", {}, title), ...lines.map((each) => html("bdi", {}, each, html("br"))));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, innerWidth - width - 8);
  const y = event.clientY + height + 24 > innerHeight ? event.clientY - height - 14 : event.clientY + 14;
  tip.style.left = `${Math.max(4, x)}px`;
  tip.style.top = `${Math.max(4, y)}px`;
};
const hideTip = () => { tip.hidden = true; };
const told = (row) => [
  `${row.number} · ${row.fate}${near.has(row.number) ? " · near miss" : ""}`,
  row.hypothesis,
  `${data.metric.name} ${give(row.score, row.error)} (${data.metric.trust}), effect ${effect(row)}`,
  `${row.proposer} · ${row.category}`,
];
