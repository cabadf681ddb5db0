/** A run's events as they happen. After each break it goes on behind the last event that came (`Last-Event-ID`). */
import type { RunEvent } from "./types.ts";
import { headers } from "./client.ts";

/** Not the browser's own `EventSource`: that can send no token. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

export async function follow(
  run: string,
  seen: (events: RunEvent[]) => void,
  isLive: (live: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  let last = "";
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const answer = await fetch(`/api/v1/runs/${run}/events`, {
        signal,
        headers: headers({ accept: "text/event-stream", ...(last && { "last-event-id": last }) }),
      });
      // The run has ended, and everything of it came through.
      if (answer.status === 204) return isLive(true);
      if (!answer.ok || !answer.body) throw new Error(`the stream was answered with ${answer.status}`);
      isLive(true);
      pause = FIRST_PAUSE_MS;
      for await (const messages of read(answer.body)) {
        const events: RunEvent[] = [];
        for (const { id, data } of messages) {
          // The message that tells the end has no identifier.
          if (id === undefined) continue;
          last = id;
          events.push(JSON.parse(data));
        }
        if (events.length) seen(events);
      }
    } catch {
      if (signal.aborted) return;
      isLive(false);
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** The messages of a stream, as many at a time as came together. */
async function* read(body: ReadableStream<Uint8Array>): AsyncGenerator<{ id?: string; data: string }[]> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop() ?? "";
    yield parts.map(message).filter((one) => one.data !== "");
  }
}

function message(part: string): { id?: string; data: string } {
  const fields: { id?: string; data: string } = { data: "" };
  for (const line of part.split("\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trimStart();
    if (name === "id") fields.id = value;
    if (name === "data") fields.data += value;
  }
  return fields;
}
