/** The public API: requests with the token, where there is one, and problems as errors. */
import { bearer, refuse } from "./token.ts";

/** What the server says about one place of what it was sent. */
export type Fault = { path: string; message: string };

/** A request that did not do what was asked. `status` is 0 where no answer came. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    /** The address of the page about this kind of error. */
    readonly page?: string,
    readonly errors: Fault[] = [],
  ) {
    super(detail);
  }
}

/** Whatever was thrown, as a problem. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, error instanceof Error ? error.message : String(error));
}

export function headers(more: Record<string, string> = {}): Record<string, string> {
  const token = bearer();
  return token ? { ...more, authorization: `Bearer ${token}` } : more;
}

const NO_ANSWER = "The server does not answer. This page asks again by itself; look whether the server runs.";

async function send(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(0, NO_ANSWER);
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => null);
  const detail = said?.detail ?? `The server answered ${answer.status} to ${path}.`;
  if (answer.status === 401) refuse(detail);
  throw new Problem(answer.status, detail, said?.type, said?.errors);
}

/** Asks for JSON. A body that is a file is sent as a component, anything else as JSON. */
export async function call<T>(
  path: string,
  method = "GET",
  body?: unknown,
  more: Record<string, string> = {},
): Promise<T> {
  const isFile = body instanceof Blob;
  const type = isFile ? "application/wasm" : "application/json";
  const answer = await send(path, {
    method,
    headers: headers(body === undefined ? more : { ...more, "content-type": type }),
    body: body === undefined ? undefined : isFile ? body : JSON.stringify(body),
  });
  return (await answer.json().catch(() => null)) as T;
}

/** Asks for text: a page about an error, the metrics. */
export async function text(path: string): Promise<string> {
  return (await send(path, { headers: headers() })).text();
}

export type Parameters = Record<string, string | number | string[] | undefined>;

/** An address with the parameters that say something; one with several values stands there several times. */
export function address(path: string, parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value ?? []].flat()) if (one !== "") query.append(name, String(one));
  }
  return query.size ? `${path}?${query}` : path;
}
