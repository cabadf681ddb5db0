/** Adds events to those there are, in order and once: a stream that is resumed may repeat. */
import type { RunEvent } from "../api/types.ts";

export function fold(events: RunEvent[], more: RunEvent[]): RunEvent[] {
  const last = events.at(-1)?.seq ?? -1;
  const isNext = more.every((event, at) => event.seq > (more[at - 1]?.seq ?? last));
  if (isNext) return [...events, ...more];
  const known = new Map([...events, ...more].map((event) => [event.seq, event]));
  return [...known.values()].sort((a, b) => a.seq - b.seq);
}

/** What a step is called in the journal: with its iteration, where it is one of a loop. */
export function stepKey(event: Pick<RunEvent, "step" | "iteration">): string {
  return event.iteration === undefined ? (event.step ?? "") : `${event.step}[${event.iteration}]`;
}
