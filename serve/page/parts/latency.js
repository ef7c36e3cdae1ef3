// Where the time went: tokenising, waiting, the engine, and the rest.

import { draw, make } from "./element.js";
import { milliseconds as written } from "./figures.js";

const PARTS = {
  tokenise: "Tokenise", queue: "Queue", engine: "Engine", rest: "Rest of the service",
};

/** A bar and its table, of an answer's parts and the round trip as it was seen here. */
export function latency(spent, roundTrip) {
  const known = Object.keys(PARTS).filter((name) => spent[name] !== undefined);
  const rest = Math.max(0, spent.total - known.reduce((sum, name) => sum + spent[name], 0));
  const parts = [...known.map((name) => [name, spent[name]]), ["rest", rest]];
  const total = parts.reduce((sum, [, value]) => sum + value, 0) || 1;
  return make("div", {}, split(parts, total), table(parts, total, spent.total, roundTrip));
}

function split(parts, total) {
  let from = 0;
  const pieces = parts.map(([name, value]) => {
    const x = (100 * from) / total;
    from += value;
    return draw("rect", { class: name, x, width: (100 * value) / total, height: 10 });
  });
  return draw("svg", {
    class: "split", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true",
  }, ...pieces);
}

function table(parts, total, served, roundTrip) {
  const row = (name, title, value, share) => make("tr", {},
    make("th", { scope: "row" },
      make("span", { class: `swatch ${name}`, "aria-hidden": "true" }), title),
    make("td", {}, written(value)),
    make("td", { class: "soft" }, share === undefined ? "" : `${Math.round(100 * share)} %`));
  return make("table", { class: "parts" },
    make("caption", { class: "unseen" }, "Parts of the latency"),
    make("thead", { class: "unseen" }, make("tr", {},
      ...["Part", "Time", "Share"].map((title) => make("th", { scope: "col" }, title)))),
    make("tbody", {},
      ...parts.map(([name, value]) => row(name, PARTS[name], value, value / total)),
      row("", "Service in all", served),
      row("", "Round trip from this page", roundTrip)));
}
