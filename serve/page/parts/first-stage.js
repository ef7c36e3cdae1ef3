// The first stage: BM25 over the passages at hand, or over the service's own collection.

import { find, make } from "./element.js";
import { count } from "./figures.js";
import { readForm, writeForm } from "./form.js";
import { Fault, ask } from "./service.js";

/** Offer what the service has of it, and say what it lacks. */
export async function offerFirstStage(key) {
  const { answer } = await ask("samples", { key: key() });
  find("first-stage").hidden = false;
  find("order").hidden = !answer.bm25;
  find("without").hidden = answer.bm25;
  find("draw").hidden = !(answer.bm25 && answer.collection);
  find("collection").textContent = `Draw from the ${answer.collection} collection`;
  find("asked").replaceChildren(...answer.queries.map((value) => make("option", { value })));
}

/** Wire the buttons; `tried` runs what may fail, and `say` tells the outcome. */
export function wireFirstStage({ key, tried, say }) {
  const search = (body) => tried(async () => {
    const { answer } = await ask("search", { body, key: key() });
    if (!answer.passages.length) {
      throw new Fault("No passage of the collection has a word of the query.", 0);
    }
    writeForm({ query: body.query, passages: answer.passages });
    find("search").value = "";
    say(`${count(answer.passages.length, "passage")} in BM25 order.`);
  });
  // What is searched for becomes the query; with an empty box the query is searched for.
  const draw = async () => {
    const words = find("search").value.trim();
    if (!words && !find("query").reportValidity()) return;
    // The first search builds the index, which takes a while.
    find("fetch").textContent = "Drawing\u2026";
    await search({ query: words || find("query").value, depth: Number(find("depth").value) || 20 });
    find("fetch").textContent = "Draw";
  };
  find("fetch").addEventListener("click", draw);
  find("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    draw();
  });
  find("order").addEventListener("click", () => {
    if (![find("query"), find("passages")].every((field) => field.reportValidity())) return;
    search({ query: find("query").value, passages: readForm().passages });
  });
}
