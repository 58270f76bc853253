() => {
  // WCAG 2.2: 1.4.3 contrast, 1.3.1 and 4.1.2 names, 2.4.1 landmarks, 2.5.8 size of targets
  const problems = [];
  const rgb = (text) => {
    const n = (text.match(/[\d.]+/g) || []).map(Number);
    return n.length === 3 ? [...n, 1] : n;
  };
  const light = ([r, g, b]) => {
    const f = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
      if (colour[3] !== 0) problems.push("translucent background");
    }
    return [255, 255, 255, 1];
  };
  const shown = (node) => {
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || !shown(parent) || parent.closest("[aria-hidden=true]")) continue;
    const style = getComputedStyle(parent);
    const [a, b] = [light(rgb(style.color)), light(behind(parent))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5))
      problems.push(`contrast ${ratio.toFixed(2)}: ${node.textContent.trim().slice(0, 30)}`);
  }
  for (const input of document.querySelectorAll("input:not([type=hidden], [hidden])"))
    if (!input.labels.length) problems.push(`no label: ${input.name}`);
  for (const input of document.querySelectorAll("input:not([type=hidden], [hidden])"))
    if (input.scrollWidth > input.clientWidth) problems.push(`value cut off: ${input.name}`);
  for (const control of document.querySelectorAll("button, a, summary")) {
    const name = control.getAttribute("aria-label") || control.textContent.trim();
    if (!name) problems.push(`no name: ${control.outerHTML.slice(0, 60)}`);
    const box = control.getBoundingClientRect();
    const inline = getComputedStyle(control).display === "inline";
    if (shown(control) && !inline && (box.height < 24 || box.width < 24))
      problems.push(`small target: ${name}`);
  }
  const count = (selector) => document.querySelectorAll(selector).length;
  for (const only of ["main", "h1", "header", "footer", "title"])
    if (count(only) !== 1) problems.push(`${count(only)} × ${only}`);
  if (!document.documentElement.lang) problems.push("no language");
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((h) => Number(h.tagName[1]));
  levels.forEach((level, i) => { if (level > (levels[i - 1] || 0) + 1) problems.push("heading skipped"); });
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  ids.forEach((id, i) => { if (ids.indexOf(id) !== i) problems.push(`id twice: ${id}`); });
  for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby]"))
    for (const id of `${e.getAttribute("aria-describedby") || ""} ${e.getAttribute("aria-labelledby") || ""}`.split(" "))
      if (id && !document.getElementById(id)) problems.push(`refers to nothing: ${id}`);
  if (document.documentElement.scrollWidth > innerWidth)
    problems.push(`too wide: ${document.documentElement.scrollWidth}`);
  return problems;
}
