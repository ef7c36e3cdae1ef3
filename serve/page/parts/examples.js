// Examples to begin with, written for this page.

import { find, make } from "./element.js";
import { writeForm } from "./form.js";

/** Fill the picker, and the form with the first of them unless it holds something. */
export async function offerExamples() {
  const examples = await (await fetch("examples.json")).json();
  const picker = find("example");
  picker.append(...examples.map(({ name }, place) => make("option", { value: place }, name)));
  const write = (place) => {
    writeForm(examples[place]);
    picker.value = place;
  };
  picker.addEventListener("change", () => {
    if (picker.value !== "") write(Number(picker.value));
  });
  for (const id of ["query", "passages"]) {
    find(id).addEventListener("input", () => { picker.value = ""; });
  }
  if (!find("query").value && !find("passages").value) write(0);
}
