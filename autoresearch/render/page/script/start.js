// ---- what listens ----
take(document);
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
matchMedia("print").addEventListener("change", drawAll);
for (const name of ["axis", "range"]) byId(name).onchange = () => progress(box("progress"));
byId("whole").onclick = () => zoom(0, 1);
filter.onchange = find.oninput = () => { listed = PAGE; list(); };
byId("more").onclick = () => { listed += 5 * PAGE; list(); };
box("progress").tabIndex = 0;
box("progress").addEventListener("keydown", steer);
drawAll();
offer();
list();
followHash();
follow();
document.documentElement.dataset.ready = "yes";
