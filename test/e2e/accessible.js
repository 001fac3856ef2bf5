// What keeps somebody from using a page: returns a list of sentences, empty where nothing does. Run in the page.
// After WCAG 2.2: 1.3.1 and 4.1.2 (names, labels, headings), 1.4.3 (contrast), 2.4.3 (focus order), 2.5.8 (target size),
// 3.1.1 (language).
const faults = [];
const say = (element, what) => faults.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
const shown = element => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
const text = element => (element.getAttribute("aria-label") ?? element.textContent).trim();

if (!document.documentElement.lang) {
  faults.push("the page has no language");
}
if (!document.title.trim()) {
  faults.push("the page has no title");
}
if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) {
  faults.push("a page has one main and one h1");
}
const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) {
  faults.push(`the id ${id} is there twice`);
}

let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) {
    say(heading, `a heading of level ${own} follows one of level ${level}`);
  }
  if (!text(heading)) {
    say(heading, "a heading says nothing");
  }
  level = own;
}

for (const control of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  const labels = [...(control.labels ?? [])].map(text).join(" ");
  if (!labels && !control.getAttribute("aria-label")) {
    say(control, "a field has no label");
  }
  for (const id of (control.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean)) {
    if (!document.getElementById(id)) {
      say(control, `it is described by ${id}, which is not there`);
    }
  }
}
for (const control of document.querySelectorAll("a[href], button, summary")) {
  if (shown(control) && !text(control)) {
    say(control, "a link or button has no name");
  }
}
for (const table of document.querySelectorAll("table")) {
  if (!table.caption?.textContent.trim() && !table.getAttribute("aria-label")) {
    say(table, "a table has no caption");
  }
}
for (const picture of document.querySelectorAll("img:not([alt]), svg:not([aria-hidden=true]):not([role=img])")) {
  say(picture, "a picture has no words");
}
for (const element of document.querySelectorAll("[tabindex]")) {
  if (element.tabIndex > 0) {
    say(element, "it takes the focus out of its turn");
  }
}

// A finger's width, but for links inside a sentence.
for (const control of document.querySelectorAll("button, summary, input, select, .button, nav a")) {
  const box = control.getBoundingClientRect();
  if (shown(control) && (box.height < 24 || box.width < 24) && !control.closest("label")) {
    say(control, `only ${Math.round(box.width)} by ${Math.round(box.height)} pixels`);
  }
}

const channels = color => color.match(/[\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => {
  for (let e = element; e; e = e.parentElement) {
    const [r, g, b, a = 1] = channels(getComputedStyle(e).backgroundColor);
    if (a > 0) {
      return [r, g, b];
    }
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !shown(element) || element.closest("svg, noscript, .skip, option")) {
    continue;
  }
  const style = getComputedStyle(element);
  const [a, b] = [light(channels(style.color)), light(behind(element))].sort((x, y) => y - x);
  const size = parseFloat(style.fontSize);
  const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  const has = (a + 0.05) / (b + 0.05);
  if (has < needed) {
    say(element, `contrast ${has.toFixed(2)}, needed ${needed}`);
  }
}
return faults;
