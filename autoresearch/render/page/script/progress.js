// ---- every experiment, and the best so far ----
const view = { from: 0, to: 1, chosen: null };
const isTime = () => byId("axis").value === "minutes";
const axisOf = (row) => (isTime() ? row.minutes / 60 : row.place + 1);
const wholeAxis = () => widened(extent(rows.map(axisOf)), 0.02);
const bestLine = () => {
  let best = null;
  return rows.map((row) => { if (row.kept && row.score !== null) best = row.score; return best; });
};
const yRange = (shown, bests) => {
  const values = shown.filter((row) => row.score !== null).map((row) => way() * row.score);
  const levels = shown.map((row) => bests[row.place]).filter((each) => each !== null).map((each) => way() * each);
  if (!values.length) return [0, 1];
  let range = widened(extent(values));
  if (byId("range").value !== "all" && levels.length) {
    const [low, high] = extent(levels);
    const [bottom, top] = widened([Math.min(low, quantile(values, 0.02)), Math.max(high, quantile(values, 0.6))], 0.08);
    range = [bottom, top + (top - bottom) * 0.18]; // for the outermost labels
  }
  return way() > 0 ? range : [-range[1], -range[0]];
};
const kindOf = (row) => (row.kept ? "dot good" : row.fate === "refuted" ? "dot bad" : "dot");
const steps = (made, bests) => {
  const found = [];
  rows.forEach((row, at) => {
    if (bests[at] === null) return;
    const place = made.x(axisOf(row));
    if (found.length) found.push([place, found[found.length - 1][1]]);
    found.push([place, made.y(bests[at])]);
  });
  return found;
};
const points = (layer, made, shown) => {
  for (const good of [0, 1]) {
    for (const row of shown) {
      if (row.kept !== good) continue;
      const place = made.x(axisOf(row));
      if (row.score === null) {
        layer.append(draw("line", { class: "tick", x1: place, x2: place, y1: made.inner.bottom - 6, y2: made.inner.bottom }));
      } else {
        const size = good ? 5 : row.fate === "refuted" ? 4 : rows.length > 600 ? 2 : 2.8;
        layer.append(draw("circle", { class: kindOf(row), cx: place, cy: made.y(row.score), r: size }));
      }
    }
  }
};
const progress = (where) => {
  if (!scored.length) return empty(where, "No score yet.");
  const whole = wholeAxis();
  const x = [view.from, view.to].map((at) => whole[0] + at * (whole[1] - whole[0]));
  const bests = bestLine();
  const shown = rows.filter((row) => axisOf(row) >= x[0] && axisOf(row) <= x[1]);
  const made = frame(where, {
    x, y: yRange(shown, bests), height: Math.max(260, Math.min(460, where.clientWidth * 0.42)),
    below: isTime() ? "hours" : "experiment", above: data.metric.axis,
    title: `${data.metric.name} of every experiment`,
  });
  const clip = draw("clipPath", { id: "inside" }, draw("rect", {
    x: made.inner.left, y: made.inner.top - 8, width: made.inner.right - made.inner.left + 8,
    height: made.inner.bottom - made.inner.top + 11,
  }));
  const layer = draw("g", { "clip-path": "url(#inside)" });
  layer.append(line(steps(made, bests), "best"));
  points(layer, made, shown);
  labels(layer, made, shown);
  mark(layer, made);
  made.svg.append(draw("defs", {}, clip), layer);
  where.replaceChildren(made.svg);
  pointing(where, made, shown, whole);
};
const mark = (layer, made) => {
  const row = view.chosen === null ? null : rows[view.chosen];
  byId("chosen").textContent = row ? told(row).join(" · ") : "";
  if (row && row.score !== null) {
    layer.append(draw("circle", { class: "mark", cx: made.x(axisOf(row)), cy: made.y(row.score), r: 9 }));
  }
};
const labels = (layer, made, shown) => {
  const placed = [];
  const gains = shown.filter((row) => row.kept && row.score !== null)
    .sort((one, other) => way() * ((one.effect ?? -way()) - (other.effect ?? -way())));
  for (const row of gains) {
    const at = [made.x(axisOf(row)), made.y(row.score)];
    // Slanted texts collide where they start at about the same distance across their slant.
    const across = at[1] * 0.866 + way() * at[0] * 0.5;
    const free = placed.every(([x, other]) => Math.abs(other - across) > 12 || Math.abs(x - at[0]) > 220);
    if (!free || placed.length > made.width / 60) continue;
    placed.push([at[0], across]);
    const [x, y] = [at[0] + 6, at[1] + (way() > 0 ? -6 : 12)]; // behind the line: over it where it falls
    layer.append(draw("text", { class: "label", x, y, transform: `rotate(${-30 * way()} ${x} ${y})` }, short(row.hypothesis, 42)));
  }
};
const nearestTo = (made, shown, [x, y]) => {
  let found = null;
  let least = 30 ** 2;
  for (const row of shown) {
    const dx = made.x(axisOf(row)) - x;
    const dy = (row.score === null ? made.inner.bottom : made.y(row.score)) - y;
    const distance = dx * dx + dy * dy - (row.kept ? 40 : 0);
    if (distance < least) { least = distance; found = row; }
  }
  return found;
};
const pointing = (where, made, shown, whole) => {
  const at = (event) => {
    const bounds = made.svg.getBoundingClientRect();
    const ratio = made.width / bounds.width;
    return [(event.clientX - bounds.left) * ratio, (event.clientY - bounds.top) * ratio];
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
    const row = nearestTo(made, shown, place);
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
      const row = nearestTo(made, shown, place);
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
