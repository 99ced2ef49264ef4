// What the public site adds where scripts run: the theme switch, tabs, copy buttons, filters that apply themselves.
// Everything works without it; nothing here is fetched, stored elsewhere or inserted as HTML.
const root = document.documentElement;

function themeNow() {
  if (root.dataset.theme) return root.dataset.theme;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  button.hidden = false;
  const name = () => button.setAttribute("aria-label", themeNow() === "dark" ? "Use the light theme" : "Use the dark theme");
  name();
  button.addEventListener("click", () => {
    root.dataset.theme = themeNow() === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* a browser that keeps nothing still switches */ }
    name();
  });
}

const said = document.getElementById("said");

function copyButton(label, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
      if (said) said.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
  return button;
}

// What a terminal printed is not copied, nor its prompt.
function textOf(code) {
  const lines = code.textContent.split("\n");
  const typed = lines.filter((line, place) => line.startsWith("$ ") || (place && /\\$/.test(lines[place - 1])));
  if (!code.hasAttribute("data-prompt") || !typed.length) return code.textContent;
  return typed.map((line) => line.replace(/^\$ /, "")).join("\n");
}

let groups = 0;
for (const group of document.querySelectorAll(".tabs")) {
  const panels = [...group.querySelectorAll(":scope > .code")];
  if (panels.length < 2) continue;
  const number = groups++;
  const list = document.createElement("div");
  list.className = "tablist";
  const strip = document.createElement("div");
  strip.setAttribute("role", "tablist");
  strip.setAttribute("aria-label", "Language of the sample");
  list.append(strip);
  const tabs = panels.map((panel, place) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `tab-${number}-${place}`;
    tab.textContent = panel.dataset.tab;
    tab.setAttribute("role", "tab");
    panel.id = `panel-${number}-${place}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    tab.setAttribute("aria-controls", panel.id);
    tab.addEventListener("click", () => show(place));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (place + step + tabs.length) % tabs.length;
      show(next);
      tabs[next].focus();
    });
    strip.append(tab);
    return tab;
  });
  function show(chosen) {
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === chosen));
      tab.tabIndex = place === chosen ? 0 : -1;
      panels[place].hidden = place !== chosen;
    });
    try { localStorage.setItem("language", panels[chosen].dataset.tab); } catch { /* as above */ }
  }
  list.append(copyButton("Copy this sample", () => textOf(panels.find((panel) => !panel.hidden).querySelector("code"))));
  group.prepend(list);
  group.classList.add("live");
  let kept = null;
  try { kept = localStorage.getItem("language"); } catch { /* as above */ }
  show(Math.max(0, panels.findIndex((panel) => panel.dataset.tab === kept)));
}

for (const figure of document.querySelectorAll(".code:not(.tabs.live > .code)")) {
  const caption = figure.querySelector(".caption");
  const code = figure.querySelector("code");
  if (caption && code) caption.append(copyButton(`Copy: ${caption.textContent}`, () => textOf(code)));
}

for (const place of document.querySelectorAll("[data-copy]")) {
  place.append(copyButton(`Copy ${place.dataset.copy}`, () => place.dataset.copy));
}

for (const form of document.querySelectorAll("form[data-live]")) {
  form.addEventListener("change", (event) => {
    if (event.target.name && event.target.type !== "search" && event.target.type !== "text") form.requestSubmit();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const field = document.getElementById("search");
  if (field && field.offsetParent) {
    event.preventDefault();
    field.focus();
  }
});

// Tables that hold more than fits say so at their right edge.
for (const box of document.querySelectorAll(".scroll")) {
  const look = () => box.classList.toggle("more-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
  box.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(box);
}

const side = document.querySelector(".side");
const here = side && side.querySelector("[aria-current]");
if (here && here.offsetTop - side.offsetTop > side.clientHeight - 80) side.scrollTop = here.offsetTop - side.offsetTop - side.clientHeight / 2;
if (side) {
  const look = () => side.classList.toggle("more-below", side.scrollTop + side.clientHeight < side.scrollHeight - 2);
  side.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(side);
}
