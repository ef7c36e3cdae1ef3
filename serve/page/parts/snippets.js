// A request as code, in the words of four clients.

import { firstStage, textOf } from "./request.js";

const STEP = "    ";

/** A JSON value as a Python literal. */
export function python(value, indent = "") {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (typeof value !== "object") return JSON.stringify(value);
  const deeper = indent + STEP;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const parts = Array.isArray(value)
    ? value.map((each) => python(each, deeper))
    : Object.entries(value).filter(([, each]) => each !== undefined)
      .map(([name, each]) => `${JSON.stringify(name)}: ${python(each, deeper)}`);
  if (!parts.length) return open + close;
  return `${open}\n${parts.map((part) => `${deeper}${part},\n`).join("")}${indent}${close}`;
}

const KEY = "RERANKER_API_KEY";
const pythonKey = (keyed) => (keyed ? `os.environ["${KEY}"]` : '"none"');
const imports = (name, keyed) => `${keyed ? "import os\n\n" : ""}import ${name}\n`;

function curl({ body, address, keyed }) {
  // Between quoted marks a shell changes nothing, and no line of JSON is the mark.
  return [
    `curl ${address}/rank \\`,
    "  -H 'content-type: application/json' \\",
    ...(keyed ? [`  -H "authorization: Bearer $${KEY}" \\`] : []),
    "  --data-binary @- <<'BODY'",
    JSON.stringify(body, null, 2),
    "BODY",
  ].join("\n");
}

function requests({ body, address, keyed }) {
  const headers = keyed
    ? `${STEP}headers={"authorization": "Bearer " + os.environ["${KEY}"]},\n` : "";
  return `${imports("requests", keyed)}
answer = requests.post(
${STEP}${python(`${address}/rank`)},
${headers}${STEP}json=${python(body, STEP)},
${STEP}timeout=60,
)
answer.raise_for_status()
for result in answer.json()["results"]:
${STEP}print(result["index"], result["score"])`;
}

/** What Cohere's contract has of a request: documents are strings, in first-stage order. */
function shared(body, model) {
  const fields = {
    model,
    query: body.query,
    documents: firstStage(body).map((place) => textOf(body.passages[place])),
    ...(body.top_n && { top_n: body.top_n }),
  };
  return Object.entries(fields)
    .map(([name, value]) => `${STEP}${name}=${python(value, STEP)},\n`).join("");
}

function cohere({ body, address, keyed, model }) {
  const more = body.instruction
    ? `${STEP}request_options={"additional_body_parameters": `
      + `{"instruction": ${python(body.instruction)}}},\n` : "";
  return `${imports("cohere", keyed)}
client = cohere.ClientV2(api_key=${pythonKey(keyed)}, base_url=${python(address)})
answer = client.rerank(
${shared(body, model)}${more})
for result in answer.results:
${STEP}print(result.index, result.relevance_score)`;
}

/** LiteLLM's `cohere/` would leave an instruction out. */
function litellm({ body, address, keyed, model }) {
  const more = body.instruction ? `${STEP}instruction=${python(body.instruction)},\n` : "";
  return `${imports("litellm", keyed)}
answer = litellm.rerank(
${shared(body, `hosted_vllm/${model}`)}${more}${STEP}api_base=${python(address)},
${STEP}api_key=${pythonKey(keyed)},
)
for result in answer.results:
${STEP}print(result["index"], result["relevance_score"])`;
}

/** By name: `write({body, address, keyed, model})`, and whether its client asks for less. */
export const SNIPPETS = {
  curl: { write: curl },
  Python: { write: requests },
  Cohere: { write: cohere, less: true },
  LiteLLM: { write: litellm, less: true },
};
