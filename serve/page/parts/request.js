// One request: the body that is sent, and the passages in first-stage order.

/** The body of `POST /rank`; what is left at its default is left out. */
export function bodyOf({ query, passages, model, top, raw, instruction }) {
  const scores = passages.map((passage) => passage.score);
  const scored = scores.length > 0 && scores.every((score) => score !== undefined);
  return {
    query,
    passages: passages.map(({ text, id, title }) =>
      id === undefined && title === undefined ? text : { id, title, text }),
    ...(scored && { first_stage_scores: scores }),
    ...(instruction && { instruction }),
    ...(top && { top_n: top }),
    ...(model && { model }),
    ...(raw && { raw_scores: true }),
    explain: true,
  };
}

/** Places of the passages in first-stage order: by falling score where there are scores. */
export function firstStage(body) {
  const scores = body.first_stage_scores;
  const places = body.passages.map((_, place) => place);
  return scores ? places.sort((one, other) => scores[other] - scores[one]) : places;
}

/** A passage as one text, as the model reads it. */
export const textOf = (passage) => {
  if (typeof passage === "string") return passage;
  return passage.title ? `${passage.title}: ${passage.text}` : passage.text;
};
