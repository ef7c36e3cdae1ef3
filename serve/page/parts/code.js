// The code panel: the request in the words of a client, and a button that copies it.

import { make } from "./element.js";
import { SNIPPETS } from "./snippets.js";

const LESS = "This client gets scores between 0 and 1, and no windows; the order is the same.";

/** The panel; its `update(request)` writes the code of another request. */
export function codePanel(say) {
  const code = make("code");
  const text = make("pre", { id: "copied", tabindex: 0, role: "region", "aria-label": "Code" }, code);
  const note = make("p", { class: "hint", hidden: true }, LESS);
  const copy = make("button", { type: "button", id: "copy" }, "Copy");
  let name = "curl";
  let request;
  const show = () => {
    const { write, less } = SNIPPETS[name];
    code.textContent = request ? write(request) : "";
    note.hidden = !less;
  };
  copy.addEventListener("click", async () => {
    await copied(code);
    say(`Copied the request as ${name}.`);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  const clients = choice((chosen) => {
    name = chosen;
    show();
  });
  const panel = make("div", { class: "code" },
    make("div", { class: "row wrap" }, clients, copy), text, note);
  return { panel, update: (next) => { request = next; show(); } };
}

function choice(chosen) {
  const labels = Object.keys(SNIPPETS).map((name, place) => {
    const input = make("input", { type: "radio", name: "client", value: name, checked: !place });
    input.addEventListener("change", () => chosen(name));
    return make("label", {}, input, make("span", {}, name));
  });
  return make("fieldset", { class: "choice" },
    make("legend", { class: "unseen" }, "Client"), ...labels);
}

async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Without https there is no clipboard but the selection's.
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
}
