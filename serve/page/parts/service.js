// The service: what is asked of it, and what it says when it refuses.

/** The service's own words; `status` is 0 where there was no answer at all. */
export class Fault extends Error {
  constructor(message, status, { retryAfter, id } = {}) {
    super(message);
    Object.assign(this, { status, retryAfter, id });
  }
}

export const address = () => new URL(".", location.href).href.replace(/\/$/, "");

/** The answer of a path, and the milliseconds that it took from here; GET without a body. */
export async function ask(path, { body, key, signal } = {}) {
  const headers = {
    ...(body && { "content-type": "application/json" }),
    ...(key && { authorization: `Bearer ${key}` }),
  };
  const options = { headers, signal, cache: "no-store", method: body ? "POST" : "GET" };
  const started = performance.now();
  const reply = await reached(path, { ...options, body: body && JSON.stringify(body) });
  const text = await reply.text();
  const milliseconds = performance.now() - started;
  if (!reply.ok) throw faultOf(reply, text);
  return { answer: JSON.parse(text), milliseconds };
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Fault(`The service at ${address()} did not answer (${error.message}).`, 0);
  }
}

function faultOf(reply, text) {
  const facts = {
    retryAfter: reply.headers.get("retry-after"),
    id: reply.headers.get("x-request-id"),
  };
  return new Fault(messageOf(text) || reply.statusText || "no reason given", reply.status, facts);
}

function messageOf(text) {
  try {
    const said = JSON.parse(text);
    const message = said.message ?? said.detail ?? said.error;
    return typeof message === "string" ? message : JSON.stringify(message);
  } catch {
    return text.slice(0, 1000);
  }
}
