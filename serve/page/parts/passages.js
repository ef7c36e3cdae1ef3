// Passages out of pasted text: JSON, JSON lines, blocks with a blank line between, or lines.

import { count } from "./figures.js";

const LISTS = ["passages", "documents", "texts", "input", "candidates"];
const TEXTS = ["text", "contents", "content", "passage", "body"];
const IDS = ["id", "_id", "docid", "pid"];
const FORMS = {
  json: "JSON",
  rows: "JSON lines",
  blocks: "blank lines between",
  lines: "one a line",
};

/**
 * What a text holds: `{passages, query, said}`, each passage `{text, id?, title?, score?}`.
 * `reading` is "detect", "lines", "blocks" or "json", which throws an Error for other text.
 */
export function readPassages(text, reading = "detect") {
  if (!text.trim()) return { passages: [], said: "" };
  if (reading === "json") return readJson(text);
  if (reading !== "detect") return readText(text, reading);
  const form = /\S[^\S\n]*\n[^\S\n]*\n\s*\S/.test(text.replaceAll("\r\n", "\n"))
    ? "blocks" : "lines";
  if (!/^\s*(\[|\{\s*")/.test(text)) return readText(text, form);
  try {
    return readJson(text);
  } catch (error) {
    const read = readText(text, form);
    // A passage may begin with a bracket; what looks meant as JSON is worth a word.
    const meant = /^\s*(\[\s*["{]|\{\s*")/.test(text);
    return meant ? { ...read, said: `${read.said}; not read as JSON: ${error.message}` } : read;
  }
}

function readText(text, form) {
  const parts = text.replaceAll("\r\n", "\n").split(form === "blocks" ? /\n[^\S\n]*\n/ : "\n");
  const passages = parts.map((part) => ({ text: part.trim() })).filter((each) => each.text);
  return { passages, said: said(passages, form) };
}

function readJson(text) {
  let value;
  let form = "json";
  try {
    value = JSON.parse(text);
  } catch (error) {
    value = readRows(text);
    if (!value) throw error;
    form = "rows";
  }
  const whole = value !== null && typeof value === "object" && !Array.isArray(value);
  const list = whole ? LISTS.map((name) => value[name]).find(Array.isArray) : value;
  const elements = list ?? (whole ? [value] : undefined);
  if (!Array.isArray(elements)) throw new Error("expected a list of passages");
  const passages = elements.map(passageOf);
  const query = whole && typeof value.query === "string" ? value.query : undefined;
  return { passages, query, said: said(passages, form) };
}

function readRows(text) {
  const rows = text.split("\n").filter((row) => row.trim());
  try {
    return rows.length > 1 ? rows.map((row) => JSON.parse(row)) : undefined;
  } catch {
    return undefined;
  }
}

function passageOf(element, place) {
  if (typeof element === "string") return { text: element };
  const text = first(element, TEXTS);
  if (typeof text !== "string") throw new Error(`element ${place + 1} has no text`);
  const id = first(element, IDS);
  return {
    text,
    ...(id !== undefined && { id: String(id) }),
    ...(typeof element.title === "string" && element.title && { title: element.title }),
    ...(Number.isFinite(element.score) && { score: element.score }),
  };
}

const first = (element, names) =>
  names.map((name) => element?.[name]).find((value) => value !== undefined && value !== null);

function said(passages, form) {
  const all = (name) => passages.length > 0 && passages.every((each) => each[name] !== undefined);
  const extras = [
    passages.some((each) => each.title) && "titles",
    passages.some((each) => each.id) && "ids",
    all("score") && "first-stage scores",
  ].filter(Boolean);
  const more = extras.length ? `, with ${extras.join(", ")}` : "";
  return `${count(passages.length, "passage")}, ${FORMS[form]}${more}`;
}
