// The first stage: BM25 over the passages at hand, or over the service's own collection.

import { find } from "./element.js";
import { count } from "./figures.js";
import { readForm, writeForm } from "./form.js";
import { ask } from "./service.js";

/** Offer what the service has of it, which may be nothing. */
export async function offerFirstStage(key) {
  const { answer } = await ask("samples", { key: key() });
  find("first-stage").hidden = !answer.bm25;
  find("draw").hidden = !answer.collection;
  find("search").textContent = `Search ${answer.collection}`;
}

/** Wire the buttons; `tried` runs what may fail, and `say` tells the outcome. */
export function wireFirstStage({ key, tried, say }) {
  const search = (body) => tried(async () => {
    const { answer } = await ask("search", { body, key: key() });
    writeForm({ passages: answer.passages });
    say(`${count(answer.passages.length, "passage")} in BM25 order.`);
  });
  const searched = (more) => {
    if (find("query").reportValidity()) search({ query: find("query").value, ...more() });
  };
  find("order").addEventListener("click", () =>
    searched(() => ({ passages: readForm().passages })));
  find("search").addEventListener("click", () =>
    searched(() => ({ depth: Number(find("depth").value) || 20 })));
}
