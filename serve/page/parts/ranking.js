// The ranking: first-stage order and ranks side by side, and what it cost.

import { scaleOf } from "./bars.js";
import { make } from "./element.js";
import { count, milliseconds, score as written } from "./figures.js";
import { firstStage, textOf } from "./request.js";
import { slope } from "./slope.js";

/** The passages as they stand before any ranking. */
export function preview(body) {
  const places = firstStage(body);
  if (!places.length) return make("p", { class: "soft" }, "Passages appear here as they are read.");
  return make("ol", { class: "preview" }, ...places.map((place) =>
    make("li", {}, make("span", {}, textOf(body.passages[place])))));
}

/** The ranking of a request's passages. */
export function ranking(body, answer) {
  const places = firstStage(body);
  const ranks = new Map(places.map((place, rank) => [place, rank + 1]));
  const unit = !body.raw_scores;
  const cut = new Set(answer.explanation?.cut);
  const before = places.map((place) =>
    ({ key: place, name: String(ranks.get(place)), text: textOf(body.passages[place]) }));
  const after = answer.results.map(({ index, score }) => ({
    key: index,
    was: ranks.get(index),
    text: textOf(body.passages[index]),
    score,
    cut: cut.has(index),
    details: () => detailsOf(index, body.passages[index], answer.explanation?.windows ?? []),
  }));
  return make("div", {}, facts(answer), warnings(answer), slope({
    caption: "Passages, best first, with their first-stage ranks and scores; "
      + "arrow keys go from one to the next",
    titles: { before: "First stage", rank: "Rank", text: "Passage", score: unit ? "Score" : "Logit" },
    before, after, unit, scale: scaleOf(after.map(({ score }) => score), unit),
  }));
}

/** One sentence for whoever cannot see the lines. */
export function announcement(body, answer) {
  const best = answer.results[0];
  const head = `${count(answer.results.length, "passage")} ranked`
    + ` in ${milliseconds(answer.milliseconds.total)}.`;
  if (!best) return head;
  const was = firstStage(body).indexOf(best.index) + 1;
  const moved = was === 1 ? "which stays first" : `which was number ${was}`;
  return `${head} First is, ${moved}: ${textOf(body.passages[best.index]).slice(0, 120)}`;
}

function facts({ usage, milliseconds: spent, explanation, model }) {
  const cut = explanation?.cut?.length ?? 0;
  const shown = [
    model,
    count(usage.windows, "window"),
    count(usage.prompt_tokens, "token"),
    milliseconds(spent.total),
    cut ? `${cut} cut` : "nothing cut",
  ];
  return make("ul", { class: "facts" }, ...shown.map((fact) => make("li", {}, fact)));
}

function warnings({ warnings: said }) {
  if (!said.length) return "";
  return make("div", { class: "warnings" },
    make("h3", {}, "What was cut"),
    ...said.map((each) => make("p", {}, each)),
    make("p", { class: "hint" }, "Documents are counted from 0, as in the answer."));
}

function detailsOf(place, passage, windows) {
  const seen = windows.flatMap((window, step) => {
    const at = window.candidates.indexOf(place);
    return at < 0 ? [] : [`window ${step + 1}: ${window.identifiers[at]}, `
      + `${written(window.logits[at])}${window.cut.includes(at) ? ", cut" : ""}`];
  });
  const known = [passage.id !== undefined && `id ${passage.id}`, `index ${place}`, ...seen];
  return make("ul", { class: "facts" },
    ...known.filter(Boolean).map((fact) => make("li", {}, fact)));
}
