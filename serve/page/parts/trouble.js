// What went wrong, in the service's own words.

import { find, make } from "./element.js";

export function showTrouble(error) {
  const box = find("trouble");
  box.hidden = false;
  const facts = [
    error.retryAfter && `Worth trying again in ${error.retryAfter} s.`,
    error.id && `Request ${error.id}.`,
  ].filter(Boolean);
  box.replaceChildren(
    make("strong", {}, error.status ? `${error.status} ` : ""), error.message,
    ...(facts.length ? [make("p", { class: "hint" }, facts.join(" "))] : []));
  box.scrollIntoView({ block: "nearest" });
  if (error.status === 401) {
    find("more").open = true;
    find("key").focus();
  }
}

export function clearTrouble() {
  find("trouble").hidden = true;
  find("trouble").replaceChildren();
}
