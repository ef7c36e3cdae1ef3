// The page: the form in, the ranking out. Texts are set as text, never as markup.

import { codePanel } from "./parts/code.js";
import { find } from "./parts/element.js";
import { offerExamples } from "./parts/examples.js";
import { count } from "./parts/figures.js";
import { offerFirstStage, wireFirstStage } from "./parts/first-stage.js";
import { offerModels, readForm, writeForm } from "./parts/form.js";
import { latency } from "./parts/latency.js";
import { announcement, preview, ranking } from "./parts/ranking.js";
import { bodyOf } from "./parts/request.js";
import { address, ask } from "./parts/service.js";
import { clearTrouble, showTrouble } from "./parts/trouble.js";
import { windows } from "./parts/windows.js";

const form = find("form");
const key = () => find("key").value.trim();
const say = (text) => { find("status").textContent = text; };
const code = codePanel(say);
let running = null;
let answered = null;

async function tried(action) {
  clearTrouble();
  try {
    await action();
  } catch (error) {
    if (error.name !== "AbortError") showTrouble(error);
  }
}

function edited() {
  const fields = readForm();
  const body = bodyOf(fields);
  find("found").textContent = fields.said;
  const model = fields.model || find("model").options[0]?.textContent || "default";
  code.update({ body, address: address(), keyed: key() !== "", model });
  find("stale").hidden = answered === null || answered === JSON.stringify(body);
  if (answered === null) find("ranking-body").replaceChildren(preview(body));
}

async function rerank() {
  const body = bodyOf(readForm());
  const run = begin(body);
  await tried(async () => {
    show(body, await ask("rank", { body, key: key(), signal: run.signal }));
  });
  // A run that a later one has stopped leaves the page to it.
  if (running === run) end();
}

function begin(body) {
  running?.abort();
  running = new AbortController();
  document.body.classList.add("busy");
  find("rerank").textContent = "Reranking\u2026";
  find("stop").hidden = false;
  say(`Reranking ${count(body.passages.length, "passage")}.`);
  return running;
}

function end() {
  running = null;
  document.body.classList.remove("busy");
  find("rerank").textContent = "Rerank";
  find("stop").hidden = true;
}

function show(body, { answer, milliseconds }) {
  answered = JSON.stringify(body);
  find("stale").hidden = true;
  find("ranking-title").textContent = "Ranking";
  find("ranking-body").replaceChildren(ranking(body, answer));
  const steps = answer.explanation?.windows?.length ?? 0;
  find("windows").hidden = !steps;
  if (steps) find("windows-body").replaceChildren(windows(body, answer.explanation));
  find("latency").hidden = false;
  find("latency-body").replaceChildren(latency(answer.milliseconds, milliseconds));
  say(announcement(body, answer));
  const top = find("ranking").getBoundingClientRect().top;
  if (top > innerHeight * 0.6) find("ranking").scrollIntoView();
}

/** Ask the service what it is, until it is ready. */
async function meet() {
  await tried(async () => {
    try {
      introduce((await ask("info", { key: key() })).answer);
    } catch (error) {
      if (error.status === 503) setTimeout(meet, 1000 * (Number(error.retryAfter) || 5));
      throw error;
    }
    await offerFirstStage(key);
  });
}

function introduce(info) {
  offerModels(info);
  const laid = {
    sliding: `windows of ${info.window} by ${info.stride}`,
    partition: `partitions of ${info.window}`,
    full: "full ranking",
  };
  find("about").textContent = [info.model, info.layout && `${info.layout} layout`, laid[info.strategy]]
    .filter(Boolean).join(" \u00b7 ");
  edited();
}

function pasted() {
  // After the paste, so that the field holds it.
  setTimeout(() => {
    const { pasted: query, passages } = readForm();
    if (query) writeForm({ query, passages });
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  rerank();
});
form.addEventListener("input", edited);
form.addEventListener("change", edited);
find("passages").addEventListener("paste", pasted);
find("key").addEventListener("change", meet);
find("stop").addEventListener("click", () => {
  running?.abort();
  say("Stopped.");
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});

find("code-body").append(code.panel);
wireFirstStage({ key, tried, say });
tried(offerExamples).then(edited);
meet();
