// ---- a page that is served looks whether there is something new ----
const PAUSE = 2000;
const state = { version: document.documentElement.dataset.live, timer: 0 };
const renew = (source) => {
  const before = wholeAxis();
  const ends = [view.from, view.to].map((at) => before[0] + at * (before[1] - before[0]));
  const zoomed = view.from > 0 || view.to < 1;
  take(source);
  const now = wholeAxis();
  const [from, to] = ends.map((each) => Math.max(0, Math.min(1, (each - now[0]) / (now[1] - now[0]))));
  Object.assign(view, zoomed ? { from, to } : {});
  for (const fresh of source.querySelectorAll("[data-part]")) {
    const old = document.querySelector(`[data-part="${fresh.dataset.part}"]`);
    if (old && !old.isEqualNode(fresh)) old.replaceWith(document.importNode(fresh, true));
  }
  document.title = source.title;
  drawAll();
  offer();
  list();
  followHash();
};
const ask = async (path) => {
  const answer = await fetch(path, { cache: "no-store" });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
};
const say = (text) => {
  byId("live").textContent = text;
  byId("live").classList.toggle("stale", text !== LIVE);
};
const LIVE = "live: what is new appears by itself";
const look = async () => {
  clearTimeout(state.timer);
  try {
    if ((await ask("version")) !== state.version) {
      const source = new DOMParser().parseFromString(await ask("./"), "text/html");
      state.version = source.documentElement.dataset.live;
      renew(source);
    }
    say(LIVE);
  } catch (fault) {
    const gone = fault instanceof TypeError; // nobody answers
    say(`this is how it was when it could last be read: ${gone ? "`autoresearch report --serve` has ended" : fault.message}`);
  }
  if (!document.hidden) state.timer = setTimeout(look, PAUSE);
};
const follow = () => {
  if (state.version === undefined) return; // a file
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  look();
};
