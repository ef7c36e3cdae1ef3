// The windows, one at a time: which candidates each held, their logits, and its time.

import { scaleOf } from "./bars.js";
import { draw, make } from "./element.js";
import { count, milliseconds } from "./figures.js";
import { firstStage, textOf } from "./request.js";
import { slope } from "./slope.js";

/** The windows of an answer: one by itself, several with a slider to step through them. */
export function windows(body, { windows: all }) {
  return all.length === 1 ? alone(body, all[0]) : steps(body, all);
}

/** The only window says what the ranking says, so that its table stays folded. */
function alone(body, window) {
  return make("div", {}, facts(window, 1, 1), make("details", {},
    make("summary", {}, "As the model read it"), table(body, window, 1)));
}

function steps(body, all) {
  const shown = make("div", { class: "step" });
  const range = make("input", { type: "range", id: "step", min: 1, max: all.length, value: 1 });
  const show = () => {
    const step = Number(range.value);
    range.setAttribute("aria-valuetext", `window ${step} of ${all.length}`);
    shown.replaceChildren(facts(all[step - 1], step, all.length), table(body, all[step - 1], step));
    chart.querySelectorAll("g").forEach((each, place) =>
      each.classList.toggle("on", place === step - 1));
  };
  const go = (step) => {
    range.value = step;
    show();
  };
  const chart = map(body, all, go);
  range.addEventListener("input", show);
  show();
  return make("div", {}, chart, scrubber(range, go), shown);
}

function scrubber(range, go) {
  const button = (name, sign, by) => {
    const made = make("button", { type: "button", "aria-label": name }, sign);
    made.addEventListener("click", () => go(Number(range.value) + by));
    return made;
  };
  return make("div", { class: "row scrubber" },
    button("Previous window", "\u2190", -1),
    make("label", { for: "step", class: "unseen" }, "Window"), range,
    button("Next window", "\u2192", 1));
}

function facts(window, step, steps) {
  const shown = [
    `Window ${step} of ${steps}`,
    count(window.candidates.length, "candidate"),
    count(window.tokens, "token"),
    milliseconds(window.milliseconds),
    window.cut.length ? `${window.cut.length} cut` : "nothing cut",
  ];
  return make("ul", { class: "facts" }, ...shown.map((fact) => make("li", {}, fact)));
}

function table(body, window, step) {
  const text = (at) => textOf(body.passages[window.candidates[at]]);
  const places = window.logits.map((_, at) => at);
  const best = [...places].sort((one, other) => window.logits[other] - window.logits[one]);
  return slope({
    caption: `Candidates of window ${step}, by their logits, and where the model read them`,
    titles: { before: "As read", rank: "Place", text: "Passage", score: "Logit" },
    before: places.map((at) => ({ key: at, name: window.identifiers[at], text: text(at) })),
    after: best.map((at) => ({
      key: at,
      was: at + 1,
      text: text(at),
      score: window.logits[at],
      name: window.identifiers[at],
      cut: window.cut.includes(at),
      details: () => make("p", { class: "hint" },
        `identifier ${window.identifiers[at]}, index ${window.candidates[at]}`),
    })),
    scale: scaleOf(window.logits, false),
  });
}

/** All windows at a glance: a row each, candidates in first-stage order, the best ones strongest. */
function map(body, all, go) {
  const columns = new Map(firstStage(body).map((place, column) => [place, column]));
  const rows = all.map((window, step) => {
    const best = [...window.logits].sort((one, other) => other - one);
    const last = Math.max(best.length - 1, 1);
    const cells = window.candidates.map((place, at) => draw("rect", {
      x: columns.get(place) + 0.06, y: step + 0.12, width: 0.88, height: 0.76,
      "fill-opacity": (1 - 0.88 * (best.indexOf(window.logits[at]) / last)).toFixed(2),
    }));
    const back = draw("rect", { class: "back", y: step, width: columns.size, height: 1 });
    const made = draw("g", {}, back, ...cells);
    made.addEventListener("click", () => go(step + 1));
    return made;
  });
  const chart = draw("svg", {
    class: "map", viewBox: `0 0 ${columns.size} ${all.length}`, preserveAspectRatio: "none",
    "aria-hidden": "true",
  }, ...rows);
  chart.style.height = `${Math.min(all.length * 1.1, 16)}rem`;
  return make("figure", {}, chart, make("figcaption", { class: "hint" },
    "A row is a window, a column a candidate in first-stage order; the stronger, the better it did."));
}
