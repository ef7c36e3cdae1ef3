// Bars of scores, to the right of a line where a passage is better than the average.

import { draw } from "./element.js";

/** The scale that scores are drawn on: logits around their mean, others from 0 to 1. */
export function scaleOf(scores, unit) {
  if (unit) return { low: 0, zero: 0.5, high: 1 };
  const zero = scores.reduce((sum, score) => sum + score, 0) / (scores.length || 1);
  const reach = Math.max(...scores.map((score) => Math.abs(score - zero)), 1e-9);
  return { low: zero - reach, zero, high: zero + reach };
}

/** The bar of a score; the figure beside it says it in words. */
export function bar(score, { low, zero, high }) {
  const at = (value) => (100 * (value - low)) / (high - low);
  const [from, to] = [at(zero), at(score)];
  return draw("svg",
    { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", {
      class: to >= from ? "better" : "worse",
      x: Math.min(from, to), width: Math.max(Math.abs(to - from), 0.5), y: 1.5, height: 7,
    }),
    draw("path", { class: "zero", d: `M${from} 0V10` }),
  );
}
