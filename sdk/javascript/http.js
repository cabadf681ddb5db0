// HTTP through the host. The world in wit/ has to import millwork:http/client.
import { send as exchange } from "millwork:http/client@1.0.0";
import { decode, encode, permanent, rateLimited, retryable, whole } from "./index.js";

/** Sends a request and gives back its answer: { status, headers, body, json(), ok }. */
export function send(url, { method = "GET", headers = {}, body, json, timeoutMs, redirects = 0 } = {}) {
  const list = Object.entries(headers).map(([name, value]) => [name, String(value)]);
  let bytes = typeof body === "string" ? encode(body) : body;
  if (json !== undefined) {
    list.push(["content-type", "application/json"]);
    bytes = encode(JSON.stringify(json));
  }
  const timeout = whole(timeoutMs);
  let answer;
  try {
    answer = exchange({ method, url, headers: list, body: bytes, timeout, redirects });
  } catch (error) {
    throw toFailure(error?.payload ?? error);
  }
  return {
    status: answer.status,
    ok: answer.status < 400,
    url: answer.url,
    headers: Object.fromEntries(answer.headers),
    body: decode(answer.body),
    json: () => JSON.parse(decode(answer.body)),
  };
}

/** The answer, where it is a good one; else a failure that says whether another attempt is worth it. */
export function expectOk(answer) {
  if (answer.ok) return answer;
  const code = `http-${answer.status}`;
  const message = `the server answered ${answer.status}`;
  if (answer.status === 429) {
    const seconds = Number(answer.headers["retry-after"]);
    throw rateLimited(message, Number.isFinite(seconds) ? seconds * 1000 : undefined);
  }
  throw answer.status >= 500 || answer.status === 408 ? retryable(code, message) : permanent(code, message);
}

function toFailure({ tag, val }) {
  const message = val === undefined ? tag : String(val);
  const mayWork = ["dns", "connect", "timeout", "protocol"].includes(tag);
  return mayWork ? retryable(`http-${tag}`, message) : permanent(`http-${tag}`, message);
}
