// The form: what is asked, read from its fields and written into them.

import { find, make } from "./element.js";
import { readPassages } from "./passages.js";

const value = (id) => find(id).value;

/** What the fields hold, for `bodyOf`; `said` tells how the passages were read. */
export function readForm() {
  const { passages, said, query } = readFields();
  return {
    query: value("query"),
    passages,
    said,
    pasted: query,
    model: value("model"),
    top: Number(value("top")) || 0,
    raw: document.querySelector("[name=scores]:checked").value === "raw",
    instruction: value("instruction").trim(),
  };
}

/** The passages' field, told when its text is no JSON though it is to be. */
function readFields() {
  const field = find("passages");
  try {
    const read = readPassages(field.value, value("reading"));
    field.setCustomValidity("");
    return read;
  } catch (error) {
    field.setCustomValidity(`This is not read as JSON: ${error.message}`);
    return { passages: [], said: field.validationMessage };
  }
}

export function writeForm({ query, passages }) {
  if (query !== undefined) find("query").value = query;
  // A line each, unless one of them has more than a line of text.
  const plain = passages.every((each) => textOnly(each) && !textOnly(each).includes("\n"));
  find("passages").value = passages
    .map((each) => (plain ? textOnly(each) : JSON.stringify(each))).join("\n");
  find("reading").value = "detect";
  find("example").value = "";
  // Fields written by a script tell nobody by themselves.
  find("form").dispatchEvent(new Event("input"));
}

/** A passage's text, where it has nothing else. */
function textOnly(passage) {
  if (typeof passage === "string") return passage;
  return Object.keys(passage).length === 1 ? passage.text : undefined;
}

/** Offer the default model and its adapters. */
export function offerModels({ model, adapters = [] }) {
  find("model").replaceChildren(
    make("option", { value: "" }, model),
    ...adapters.map((name) => make("option", { value: name }, name)));
}
