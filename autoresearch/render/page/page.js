"use strict";
// Texts reach the document as texts alone (textContent, append); nothing here makes HTML of them.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("data");
  const rows = data.experiments.map((values, place) => {
    const row = { place };
    data.columns.forEach((name, at) => { row[name] = values[at]; });
    return row;
  });
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  const near = new Set(data.near);
  const scored = rows.filter((row) => row.bpb !== null);
  const kept = scored.filter((row) => row.kept);
  const SVG = "http://www.w3.org/2000/svg";

  // ---- small helpers ----
  const set = (made, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const html = (tag, attributes = {}, ...children) => set(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) => set(document.createElementNS(SVG, tag), attributes, children);
  const box = (name) => document.querySelector(`[data-chart="${name}"]`);
  const short = (text, size) => (text.length > size ? `${text.slice(0, size - 1)}…` : text);
  const signed = (value, digits = 4) => (value === null ? "-" : (value < 0 ? "" : "+") + (value + 0).toFixed(digits));
  const give = (value, error, digits = 4) =>
    value === null ? "-" : value.toFixed(digits) + (error === null ? "" : ` ± ${error.toFixed(digits)}`);
  const effect = (row) => signed(row.delta) + (row.delta_error === null ? "" : ` ± ${row.delta_error.toFixed(4)}`);
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
    return found.map((value) => [value, value.toFixed(Math.min(digits, 8))]);
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

  // ---- a frame with axes ----
  const frame = (where, { x, y, height, below = "", left = 58, title }) => {
    const width = Math.max(where.clientWidth, 260);
    const inner = { left, right: width - 12, top: 12, bottom: height - 34 };
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
        draw("text", { x: inner.left - 6, y: at + 4, "text-anchor": "end" }, told));
    }
    for (const [value, told] of ticks(x, Math.max(2, width / 110))) {
      made.svg.append(draw("text", { x: made.x(value), y: inner.bottom + 16, "text-anchor": "middle" }, told));
    }
    made.svg.append(draw("text", { x: inner.right, y: height - 4, "text-anchor": "end" }, below));
    return made;
  };
  const line = (points, kind) => draw("path", {
    class: kind, d: points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""),
  });
  const empty = (where, told) => where.replaceChildren(html("p", { class: "note" }, told));

  // ---- the tip beside the pointer ----
  const tip = document.getElementById("tip");
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
    `val_bpb ${give(row.bpb, row.error)} (${data.trust}), effect ${effect(row)}`,
    `${row.proposer} · ${row.category}`,
  ];

  // ---- progress ----
  const view = { from: 0, to: 1, chosen: null };
  const axisOf = (row) => (document.getElementById("axis").value === "minutes" ? row.minutes / 60 : row.place);
  const wholeAxis = () => widened(extent(rows.map(axisOf)), 0.02);
  const bestLine = () => {
    let best = null;
    return rows.map((row) => { if (row.kept && row.bpb !== null) best = row.bpb; return best; });
  };
  const yRange = (shown, bests) => {
    const values = shown.filter((row) => row.bpb !== null).map((row) => row.bpb);
    const line = shown.map((row) => bests[row.place]).filter((each) => each !== null);
    if (!values.length) return [0, 1];
    if (document.getElementById("range").value === "all" || !line.length) return widened(extent(values));
    const [low, high] = extent(line);
    const [bottom, top] = widened([Math.min(low, quantile(values, 0.02)), Math.max(high, quantile(values, 0.6))], 0.08);
    return [bottom, top + (top - bottom) * 0.12]; // for the topmost labels
  };
  const kindOf = (row) => (row.kept ? "dot good" : row.fate === "refuted" ? "dot bad" : "dot");
  const progress = (where) => {
    if (!scored.length) return empty(where, "No score yet.");
    const whole = wholeAxis();
    const x = [0, 1].map((at) => whole[0] + (at ? view.to : view.from) * (whole[1] - whole[0]));
    const bests = bestLine();
    const shown = rows.filter((row) => axisOf(row) >= x[0] && axisOf(row) <= x[1]);
    const time = document.getElementById("axis").value === "minutes";
    const made = frame(where, {
      x, y: yRange(shown, bests), height: Math.max(260, Math.min(460, where.clientWidth * 0.42)),
      below: time ? "hours" : "experiment", title: "val_bpb of every experiment",
    });
    const clip = draw("clipPath", { id: "inside" }, draw("rect", {
      x: made.inner.left, y: 0, width: made.inner.right - made.inner.left + 8, height: made.inner.bottom + 3,
    }));
    const layer = draw("g", { "clip-path": "url(#inside)" });
    const steps = [];
    rows.forEach((row, at) => {
      if (bests[at] === null) return;
      const place = made.x(axisOf(row));
      if (steps.length) steps.push([place, steps[steps.length - 1][1]]);
      steps.push([place, made.y(bests[at])]);
    });
    layer.append(line(steps, "best"));
    for (const good of [0, 1]) {
      for (const row of shown) {
        if (row.kept !== good) continue;
        const place = made.x(axisOf(row));
        if (row.bpb === null) {
          layer.append(draw("line", { class: "tick", x1: place, x2: place, y1: made.inner.bottom - 6, y2: made.inner.bottom }));
        } else {
          const size = good ? 5 : row.fate === "refuted" ? 4 : rows.length > 600 ? 2 : 2.8;
          layer.append(draw("circle", { class: kindOf(row), cx: place, cy: made.y(row.bpb), r: size }));
        }
      }
    }
    labels(layer, made, shown);
    if (view.chosen !== null && rows[view.chosen].bpb !== null) {
      const row = rows[view.chosen];
      layer.append(draw("circle", { class: "mark", cx: made.x(axisOf(row)), cy: made.y(row.bpb), r: 9 }));
    }
    made.svg.append(draw("defs", {}, clip), layer);
    where.replaceChildren(made.svg);
    pointing(where, made, shown, whole);
  };
  const labels = (layer, made, shown) => {
    const placed = [];
    const gains = shown.filter((row) => row.kept && row.bpb !== null)
      .sort((one, other) => (one.delta ?? -1) - (other.delta ?? -1));
    for (const row of gains) {
      const at = [made.x(axisOf(row)), made.y(row.bpb)];
      // Slanted texts collide where they start at about the same distance across their slant.
      const across = at[1] * 0.866 + at[0] * 0.5;
      const free = placed.every(([x, other]) => Math.abs(other - across) > 12 || Math.abs(x - at[0]) > 220);
      if (!free || placed.length > made.width / 60) continue;
      placed.push([at[0], across]);
      layer.append(draw("text", {
        class: "label", x: at[0] + 6, y: at[1] - 6, transform: `rotate(-30 ${at[0] + 6} ${at[1] - 6})`,
      }, short(row.hypothesis, 42)));
    }
  };
  const pointing = (where, made, shown, whole) => {
    const at = (event) => {
      const bounds = made.svg.getBoundingClientRect();
      const ratio = made.width / bounds.width;
      return [(event.clientX - bounds.left) * ratio, (event.clientY - bounds.top) * ratio];
    };
    const nearest = ([x, y]) => {
      let found = null;
      let least = 30 ** 2;
      for (const row of shown) {
        const dx = made.x(axisOf(row)) - x;
        const dy = (row.bpb === null ? made.inner.bottom : made.y(row.bpb)) - y;
        const distance = dx * dx + dy * dy - (row.kept ? 40 : 0);
        if (distance < least) { least = distance; found = row; }
      }
      return found;
    };
    let start = null;
    const pick = draw("rect", { class: "pick", y: made.inner.top, height: made.inner.bottom - made.inner.top, width: 0 });
    made.svg.append(pick);
    made.svg.onpointerdown = (event) => {
      start = at(event)[0];
      if (event.pointerType === "mouse") made.svg.setPointerCapture(event.pointerId);
    };
    made.svg.onpointermove = (event) => {
      const place = at(event);
      if (start !== null && event.buttons) {
        pick.setAttribute("x", Math.min(start, place[0]));
        pick.setAttribute("width", Math.abs(place[0] - start));
      }
      const row = nearest(place);
      made.svg.style.cursor = row ? "pointer" : "crosshair";
      if (row) showTip(event, ...told(row)); else hideTip();
    };
    made.svg.onpointerleave = hideTip;
    made.svg.onpointerup = (event) => {
      const place = at(event);
      const from = start;
      start = null;
      pick.setAttribute("width", 0);
      if (from !== null && Math.abs(place[0] - from) > 8) {
        const span = whole[1] - whole[0];
        const ends = [from, place[0]].map((each) => (made.x.back(each) - whole[0]) / span).sort((a, b) => a - b);
        zoom(Math.max(0, ends[0]), Math.min(1, ends[1]));
      } else {
        const row = nearest(place);
        if (row) open(row.number);
      }
    };
    made.svg.ondblclick = () => zoom(0, 1);
  };
  const zoom = (from, to) => {
    if (to - from < 1e-4) return;
    Object.assign(view, { from, to });
    progress(box("progress"));
  };
  const steer = (event) => {
    const last = rows.length - 1;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) {
      view.chosen = Math.max(0, Math.min(last, (view.chosen ?? (move > 0 ? -1 : last + 1)) + move));
      progress(box("progress"));
    } else if (event.key === "Enter" && view.chosen !== null) {
      open(rows[view.chosen].number);
    } else if (event.key === "+" || event.key === "-") {
      const middle = (view.from + view.to) / 2;
      const half = (view.to - view.from) * (event.key === "+" ? 0.25 : 1);
      zoom(Math.max(0, middle - half), Math.min(1, middle + half));
    } else if (event.key === "0") {
      zoom(0, 1);
    } else {
      return;
    }
    event.preventDefault();
  };

  // ---- the other charts ----
  const curvesIn = (where, curves, title) => {
    const ends = curves.flatMap(({ points }) => points.map((point) => point[1]));
    const high = quantile(ends, 0.93);
    const low = Math.min(...ends);
    const made = frame(where, {
      x: [0, 1], y: widened([low, Math.max(high, low + 1e-6)], 0.04),
      height: 240, below: "share of the budget", title,
    });
    for (const { points, kind } of curves) {
      const inside = points.map(([x, y]) => [made.x(x), Math.max(made.inner.top, made.y(y))]);
      made.svg.append(line(inside, `curve ${kind}`));
    }
    where.replaceChildren(made.svg);
  };
  const curves = (where) => {
    if (!data.curves.length) return empty(where, "No curve was recorded.");
    const last = data.curves.length - 1;
    curvesIn(where, data.curves.map((each, at) => ({
      points: each.points, kind: at === last ? "last" : at === 0 ? "first" : "",
    })), "training loss of what was kept");
    where.append(html("p", { class: "note" },
      `training loss: experiment ${data.curves[last].number} (green), ${data.curves[0].number} (amber), those between (grey)`));
  };
  const predicted = (where) => {
    const both = rows.filter((row) => row.predicted !== null && row.delta !== null);
    if (both.length < 2) return empty(where, "Too few predictions.");
    const reach = Math.max(...["predicted", "delta"].map((name) => quantile(both.map((row) => Math.abs(row[name])), 0.96)));
    const range = widened([-reach, reach]);
    const made = frame(where, { x: range, y: range, height: 300, below: "predicted", left: 64, title: "predicted and actual effects" });
    const inside = (value) => Math.max(range[0], Math.min(range[1], value));
    made.svg.append(
      line([[made.x(range[0]), made.y(0)], [made.x(range[1]), made.y(0)]], "zero"),
      line([[made.x(0), made.y(range[0])], [made.x(0), made.y(range[1])]], "zero"),
      line([[made.x(range[0]), made.y(range[0])], [made.x(range[1]), made.y(range[1])]], "seen"));
    for (const row of both) {
      const dot = draw("circle", { class: kindOf(row), cx: made.x(inside(row.predicted)), cy: made.y(inside(row.delta)), r: row.kept ? 4.5 : 2.8 });
      dot.onpointermove = (event) => showTip(event, ...told(row), `predicted ${signed(row.predicted)}`);
      dot.onpointerleave = hideTip;
      dot.onclick = () => open(row.number);
      made.svg.append(dot);
    }
    where.replaceChildren(made.svg, html("p", { class: "note" }, "up: what came of it; on the dashed line a prediction came true; below zero is better"));
  };
  const forest = (list, sayNothing, seen = null) => (where) => {
    if (!list.length) return empty(where, sayNothing);
    const reach = extent([0, ...(seen === null ? [] : [seen]), ...list.flatMap((each) => [each.low, each.high])]);
    const step = list.length > 15 ? 15 : 22;
    const height = 56 + step * list.length;
    const left = Math.min(170, where.clientWidth * 0.36);
    const made = frame(where, { x: widened(reach), y: [0, 1], height, left, below: "bpb, to the right is better", title: "gains with their intervals" });
    made.svg.querySelectorAll(".grid").forEach((each) => each.remove());
    made.svg.querySelectorAll('[text-anchor="end"]').forEach((each) => { if (Number(each.getAttribute("x")) < left) each.remove(); });
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
        `${signed(each.value, 5)} bpb (${signed(each.low, 5)} to ${signed(each.high, 5)})`, each.note);
      row.onpointerleave = hideTip;
      if (each.number !== undefined) row.onclick = () => open(each.number);
      made.svg.append(row);
    });
    where.replaceChildren(made.svg);
  };
  const money = (where) => {
    if (!data.money || !rows.length) return empty(where, "No call was made, and the machine has no price.");
    const points = rows.map((row) => [row.minutes / 60, row.usd]);
    const made = frame(where, {
      x: widened(extent(points.map(([x]) => x)), 0), y: [0, points[points.length - 1][1] * 1.05 || 1],
      height: 190, below: "hours", title: "dollars spent so far",
    });
    made.svg.append(line(points.map(([x, y]) => [made.x(x), made.y(y)]), "best"));
    where.replaceChildren(made.svg, html("p", { class: "note" }, "US dollars so far, of experiments by their opening"));
  };
  const effects = (where) => {
    forest(data.effects, "Nothing was kept yet.", data.seen)(where);
    if (data.effects.length) {
      where.append(html("p", { class: "note" },
        "what keeps and near misses are believed to have gained, with 95% intervals; dashed: the smallest gain that pairs would confirm"));
    }
  };
  const charts = {
    progress, curves, predicted, money, effects,
    proposers: forest(data.proposers, "No control arm was run: give it turns with --control."),
    categories: forest(data.categories, "No control arm was run, or nothing was kept."),
  };
  const drawAll = () => { for (const [name, chart] of Object.entries(charts)) chart(box(name)); };

  // ---- the list of experiments ----
  const PAGE = 60;
  let listed = PAGE;
  const filter = document.getElementById("filter");
  const find = document.getElementById("find");
  const filters = new Map([["all", () => true], ["kept", (row) => row.kept], ["near misses", (row) => near.has(row.number)]]);
  for (const fate of new Set(rows.map((row) => row.fate))) {
    if (!filters.has(fate)) filters.set(fate, (row) => row.fate === fate);
  }
  for (const name of filters.keys()) filter.append(html("option", { value: name }, name));
  const list = () => {
    const sought = find.value.trim().toLowerCase();
    const found = rows.filter(filters.get(filter.value)).filter((row) =>
      !sought || `${row.number} ${row.hypothesis} ${row.proposer} ${row.category}`.toLowerCase().includes(sought));
    const shown = found.slice().reverse().slice(0, listed);
    document.querySelector("#experiments tbody").replaceChildren(...shown.map((row) => html("tr", { "data-number": row.number },
      html("td", { class: "number" }, html("button", { class: "open", "data-number": row.number }, String(row.number))),
      html("td", { class: `tight ${row.fate}` }, row.fate),
      html("td", { class: "number" }, give(row.bpb, row.error)),
      html("td", { class: "number" }, effect(row)),
      html("td", { class: "tight proposer" }, html("bdi", {}, short(row.proposer, 26))),
      html("td", { class: "text" }, html("bdi", {}, row.hypothesis)))));
    document.getElementById("count").textContent = `${shown.length} of ${found.length}, newest first`;
    document.getElementById("more").hidden = shown.length >= found.length;
  };

  // ---- one experiment ----
  const dialog = document.getElementById("detail");
  const body = document.getElementById("body");
  const blocks = new Map();
  let packed = null;
  const unpack = async (at) => {
    if (!blocks.has(at)) {
      packed ??= read("details");
      const bytes = Uint8Array.from(atob(packed.blocks[at]), (each) => each.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      blocks.set(at, await new Response(stream).json());
    }
    return blocks.get(at);
  };
  const detail = async (row) => {
    packed ??= read("details");
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
  const show = async (number) => {
    const row = byNumber.get(number);
    if (!row) return;
    const full = await detail(row);
    const part = (name, ...made) => [html("h3", {}, name), ...made];
    const chart = html("div", { class: "chart" });
    body.replaceChildren(
      html("h2", {}, `experiment ${row.number} · `, html("span", { class: full.fate }, full.fate)),
      html("p", {}, html("bdi", {}, full.hypothesis)),
      html("dl", {}, ...full.rows.flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, html("bdi", {}, value))])),
      ...(full.pairs.length ? part("evidence, pair by pair", table(["seed", "incumbent", "this", "difference"], full.pairs)) : []),
      ...(full.curve.length ? part("learning curve (blue) and its incumbent's (grey)", chart) : []),
      ...(full.change ? part("change", code(full.change)) : []),
      ...(full.trials.length ? part("trials", table(
        ["trial", "seed", "for", "ending", "val_bpb", "start-up", "training", "scoring", "steps", "memory"], full.trials)) : []),
      ...(full.traceback ? part("traceback", code(full.traceback)) : []),
      ...(full.later.length ? part("ideas for later", ...full.later.map((each) => html("p", {}, html("bdi", {}, each)))) : []),
      ...(full.log ? part("end of the log", code(full.log)) : []));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
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

  // ---- what listens ----
  document.addEventListener("click", (event) => {
    const found = event.target.closest?.("[data-number]");
    if (found) open(Number(found.dataset.number));
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    history.replaceState(null, "", location.href.split("#")[0]);
    progress(box("progress"));
  });
  dialog.addEventListener("keydown", beside);
  addEventListener("hashchange", followHash);
  let waiting = 0;
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 120);
  });
  for (const name of ["axis", "range"]) document.getElementById(name).onchange = () => progress(box("progress"));
  document.getElementById("whole").onclick = () => zoom(0, 1);
  filter.onchange = find.oninput = () => { listed = PAGE; list(); };
  document.getElementById("more").onclick = () => { listed += 5 * PAGE; list(); };
  const main = box("progress");
  main.tabIndex = 0;
  main.addEventListener("keydown", steer);
  drawAll();
  list();
  followHash();
  document.documentElement.dataset.ready = "yes";
})();
