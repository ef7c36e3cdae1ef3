// A slopegraph that is a table: the order before on the left, lines to the ranking on the right.

import { bar } from "./bars.js";
import { draw, make, unseen } from "./element.js";
import { score as written } from "./figures.js";

/**
 * Draw it.
 *
 * - `before`: `{key, name, text}` in order; the name is a rank or an identifier.
 * - `after`: `{key, name, was, text, score, cut, details}`, best first; `was` is the place before,
 *   from 1, and `details()` makes what is shown under a passage that is opened.
 * - `scale` and `unit`: of the scores; `titles`: of the columns.
 */
export function slope({ caption, titles, before, after, scale, unit }) {
  const rows = before.map((each, place) => row(each, after[place], place, { scale, unit }));
  const table = make("table", { class: "slope" }, make("caption", { class: "unseen" }, caption),
    head(titles), make("tbody", {}, ...rows));
  const lines = draw("svg", { class: "lines", "aria-hidden": "true" });
  const figure = make("div", { class: "figure" }, table, lines);
  rove(figure);
  const moves = movesOf(before, after);
  new ResizeObserver(() => redraw(lines, table, moves)).observe(table);
  for (const kind of ["mouseover", "focusin"]) {
    figure.addEventListener(kind, (event) => light(figure, event.target));
  }
  for (const kind of ["mouseleave", "focusout"]) {
    figure.addEventListener(kind, () => light(figure, null));
  }
  return figure;
}

function head({ before, rank, text, score }) {
  const hidden = { "aria-hidden": "true" };
  return make("thead", {}, make("tr", {},
    make("th", { ...hidden, class: "before" }, before),
    make("th", { ...hidden, class: "gap" }),
    make("th", { scope: "col", class: "rank" }, rank),
    make("th", { scope: "col" }, text),
    make("th", { scope: "col", class: "score" }, make("span", { class: "number" }, score))));
}

function row(earlier, later, place, options) {
  const hidden = { "aria-hidden": "true" };
  const left = make("td", { ...hidden, class: "before", "data-key": earlier.key },
    make("span", { class: "name" }, earlier.name), make("span", { class: "short" }, earlier.text));
  const gap = make("td", { ...hidden, class: "gap" });
  if (!later) return make("tr", hidden, left, gap, make("td", { colspan: 3 }));
  return make("tr", { "data-row": later.key }, left, gap, ...ranked(later, place + 1, options));
}

function ranked(each, rank, { scale, unit }) {
  const key = { "data-key": each.key };
  return [
    make("th", { ...key, scope: "row", class: "rank" }, make("span", { class: "pair" },
      make("span", { class: "place" }, String(rank)), ...moved(each.was - rank, each))),
    make("td", { ...key, class: "passage" }, ...opening(each)),
    make("td", { ...key, class: "score" },
      make("span", { class: "number" }, written(each.score, unit)), bar(each.score, scale)),
  ];
}

function moved(by, { was, name = was }) {
  const shown = (word, sign) =>
    make("span", { class: `move ${word}`, "aria-hidden": "true" }, sign);
  if (by === 0) return [shown("same", "="), unseen("as before")];
  const [sign, word] = by > 0 ? ["\u25b2", "up"] : ["\u25bc", "down"];
  const steps = Math.abs(by);
  return [shown(word, `${sign}\u2009${steps}`), unseen(`${word} ${steps}, was ${name}`)];
}

/** A passage's text, which opens to show the whole of it and what is known of it. */
function opening({ text, cut, details }) {
  const mark = cut ? [make("span", { class: "mark" }, "cut"), " "] : [];
  const button = make("button", { type: "button", class: "text", "aria-expanded": "false" },
    make("span", {}, ...mark, text));
  const more = make("div", { class: "details", hidden: true });
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    more.hidden = !open;
    if (open) more.replaceChildren(details());
  });
  return [button, more];
}

/** One stop for the tab key, however many passages there are; the arrow keys go on from it. */
function rove(figure) {
  const buttons = [...figure.querySelectorAll("button.text")];
  buttons.forEach((button, place) => { button.tabIndex = place ? -1 : 0; });
  figure.addEventListener("keydown", (event) => {
    const at = buttons.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || !buttons[to]) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  });
}

function movesOf(before, after) {
  const ranks = new Map(after.map((each, place) => [String(each.key), place]));
  return before.map(({ key }, place) => ({ key, from: place, to: ranks.get(String(key)) }))
    .filter(({ to }) => to !== undefined);
}

/** The lines, from the middle of a row to the middle of another, as tall as rows now are. */
function redraw(lines, table, moves) {
  const rows = [...table.tBodies[0].rows];
  const gap = rows[0]?.cells[1];
  if (!gap) return;
  const middles = rows.map((each) => each.offsetTop + each.offsetHeight / 2);
  const width = gap.offsetWidth;
  Object.assign(lines.style, {
    left: `${gap.offsetLeft}px`, width: `${width}px`, height: `${table.offsetHeight}px`,
  });
  lines.replaceChildren(...moves.map(({ key, from, to }) => draw("path", {
    "data-key": key,
    class: to < from ? "up" : to > from ? "down" : "same",
    d: `M2 ${middles[from]}C${width / 2} ${middles[from]} ${width / 2} ${middles[to]} `
      + `${width - 2} ${middles[to]}`,
  })));
}

/** Bring one passage's line and cells out, or none's. */
function light(figure, target) {
  const key = target?.closest("[data-key]")?.dataset.key;
  figure.classList.toggle("lit", key !== undefined);
  for (const each of figure.querySelectorAll("[data-key]")) {
    each.classList.toggle("on", each.dataset.key === key);
  }
}
