// Only to fold, filter and zoom: the page is whole without it.
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  all(".controls").forEach((each) => { each.hidden = false; });
  const filter = document.getElementById("filter");
  const severity = document.getElementById("severity");
  const apply = () => {
    const wanted = (filter?.value ?? "").trim().toLowerCase();
    const level = severity?.value ?? "";
    for (const each of all(".filtered")) {
      const text = !wanted || each.dataset.text.includes(wanted);
      each.hidden = !text || (level !== "" && each.dataset.severity !== undefined && each.dataset.severity !== level);
    }
  };
  filter?.addEventListener("input", apply);
  severity?.addEventListener("change", apply);
  const fold = (open) => () => all("#tables details:not([hidden])").forEach((each) => { each.open = open; });
  document.getElementById("open-all")?.addEventListener("click", fold(true));
  document.getElementById("close-all")?.addEventListener("click", fold(false));
  const drawing = document.getElementById("er");
  let scale = 1;
  const zoom = (by) => () => {
    scale = Math.min(3, Math.max(0.25, scale * by));
    drawing.style.width = `${drawing.viewBox.baseVal.width * scale}px`;
    drawing.style.height = "auto";
  };
  document.getElementById("zoom-in")?.addEventListener("click", zoom(1.25));
  document.getElementById("zoom-out")?.addEventListener("click", zoom(0.8));
  window.addEventListener("beforeprint", () => all("details").forEach((each) => { each.open = true; }));
})();
