/* List the visible texts whose contrast with what is behind them is under 4.5 (WCAG 2.2). */
(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] === undefined ? 1 : m[3]]; };
  const light = (c) => { const f = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  const behind = (el) => { for (let e = el; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0.99) { return c; } } return [255, 255, 255, 1]; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const el = node.parentElement;
    if (!node.textContent.trim() || !el.getClientRects().length || el.closest("script, style, .sr, .skip, option")) { continue; }
    const style = getComputedStyle(el);
    if (style.visibility === "hidden") { continue; }
    const svg = el.namespaceURI.endsWith("svg");
    const a = light(parse(svg ? style.fill : style.color)), b = light(behind(el));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) { found.push(`${ratio.toFixed(2)} ${el.tagName}.${el.className.baseVal ?? el.className}: ${node.textContent.trim().slice(0, 30)}`); }
  }
  return found;
})()
