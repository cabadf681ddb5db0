/** The public API: requests with the token, where there is one, and problems as errors. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly link?: string,
    readonly errors: { path: string; message: string }[] = [],
  ) {
    super(detail);
  }
}
export const token = {
  get: () => sessionStorage.getItem("token") ?? "",
  set: (text: string) => sessionStorage.setItem("token", text),
};
export function headers(more: Record<string, string> = {}): Record<string, string> {
  return token.get() ? { ...more, authorization: `Bearer ${token.get()}` } : more;
}
export async function call<T = any>(path: string, method = "GET", body?: unknown): Promise<T> {
  const raw = body instanceof Blob;
  const type = raw ? "application/wasm" : "application/json";
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers: headers(body === undefined ? {} : { "content-type": type }),
      body: body === undefined ? undefined : raw ? body : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, "The server does not answer. This page goes on by itself once it does.");
  }
  const said = await answer.json().catch(() => null);
  if (!answer.ok)
    throw new Problem(answer.status, said?.detail ?? `The server answered ${answer.status}.`, said?.type, said?.errors);
  return said as T;
}
/** Follows a run's events until it has ended, from the last one seen after each break. */
export async function follow(
  run: string,
  seen: (event: any) => void,
  live: (is: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  let last = "",
    wait = 500;
  while (!signal.aborted) {
    try {
      const answer = await fetch(`/api/v1/runs/${run}/events`, {
        signal,
        headers: headers({ accept: "text/event-stream", ...(last && { "last-event-id": last }) }),
      });
      if (answer.status === 204) return live(true);
      if (!answer.ok || !answer.body) throw new Error("no stream");
      live(true);
      wait = 500;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
        const parts = text.split("\n\n");
        text = parts.pop() ?? "";
        for (const part of parts) {
          const field = (name: string) =>
            part
              .split("\n")
              .find((line) => line.startsWith(`${name}:`))
              ?.slice(name.length + 1)
              .trim();
          const data = field("data");
          last = field("id") ?? last;
          if (data && field("id") !== undefined) seen(JSON.parse(data));
        }
      }
    } catch {
      if (signal.aborted) return;
      live(false);
    }
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, 5000);
  }
}
