// Figures as they are written on the page.

export const count = (number, noun) =>
  `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

export function milliseconds(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms`;
}

export function score(value, unit) {
  const text = value.toFixed(unit ? 3 : 2);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "\u2212");
}
