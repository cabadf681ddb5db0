/** What each step did when: attempts, waits and pauses before a retry, as stretches of time. Made from the journal. */
import type { RunEvent, StepResult } from "../api/types.ts";
import { stepKey } from "./events.ts";

export type Span = {
  kind: "attempt" | "wait" | "retry";
  /** Milliseconds since 1970; `to` is missing while it goes on. */
  from: number;
  to?: number;
  attempt: number;
  outcome?: "success" | "failed" | "cancelled";
  /** Until when it waits, at most. */
  until?: number;
  /** For people: what it waited for, why it failed. */
  note?: string;
};
export type Lane = { key: string; step: string; iteration?: number; spans: Span[] };

const ms = (text: unknown): number => (typeof text === "string" ? Date.parse(text) : Number.NaN);

/** The lanes in the order in which the steps began; iterations right behind one another. */
export function timeline(events: RunEvent[], results: Record<string, StepResult> = {}): Lane[] {
  const lanes = new Map<string, Lane>();
  const laneOf = (event: RunEvent): Lane => {
    const key = stepKey(event);
    const found = lanes.get(key) ?? { key, step: event.step ?? "", iteration: event.iteration, spans: [] };
    lanes.set(key, found);
    return found;
  };
  for (const event of events) {
    if (event.step) enter(laneOf(event), event);
    // What is done again has its earlier stretches still; what was open then is over.
    if (/^run-(cancelled|killed|failed|succeeded|retried)$/.test(event.type)) {
      for (const lane of lanes.values()) close(lane, ms(event.at), "cancelled");
    }
  }
  // A first attempt is written down only when it ends: what is under way now is known from the run.
  const since = Math.max(...events.map((event) => ms(event.at)).filter(Number.isFinite));
  for (const [step, result] of Object.entries(results)) {
    for (const [key, one, iteration] of openOf(step, result)) {
      const lane = lanes.get(key) ?? { key, step, iteration, spans: [] };
      if (lane.spans.some((span) => span.to === undefined)) continue;
      lane.spans.push({ kind: "attempt", from: since, attempt: Math.max(one.attempt, 1) });
      lanes.set(key, lane);
    }
  }
  const all = [...lanes.values()].filter((lane) => lane.spans.length);
  const first = new Map<string, number>();
  for (const lane of all) {
    first.set(lane.step, Math.min(first.get(lane.step) ?? Number.POSITIVE_INFINITY, lane.spans[0]!.from));
  }
  return all.sort(
    (a, b) =>
      first.get(a.step)! - first.get(b.step)! ||
      (a.step === b.step ? (a.iteration ?? 0) - (b.iteration ?? 0) : a.step < b.step ? -1 : 1),
  );
}

function openOf(step: string, result: StepResult): [string, StepResult, number | undefined][] {
  const isOpen = (one: StepResult) => one.status === "running" && !one.waiting_for;
  if (!result.iterations) return isOpen(result) ? [[step, result, undefined]] : [];
  const shown = result.iterations.shown.filter(isOpen);
  return shown.map((one) => [`${step}[${one.index}]`, one, one.index]);
}

function enter(lane: Lane, event: RunEvent): void {
  const at = ms(event.at);
  const attempt = event.attempt ?? lane.spans.at(-1)?.attempt ?? 1;
  /** The attempt that ends with this event. It began when it said, or when the wait before it was over. */
  const end = (outcome?: Span["outcome"], note?: string) => {
    const open = lane.spans.at(-1);
    if (open?.kind === "attempt" && open.to === undefined) {
      Object.assign(open, { to: at, outcome, note });
      return;
    }
    const said = ms(event.started_at);
    // What was waited for came, and the step went on from there: a delay is told only when it is over.
    const began = open?.kind === "wait" && open.to === undefined ? Math.min(open.until ?? at, at) : said;
    const before = close(lane, Number.isFinite(began) ? began : at);
    const from = Math.max(Number.isFinite(began) ? began : at, before);
    lane.spans.push({ kind: "attempt", from, to: at, attempt, outcome, note });
  };
  switch (event.type) {
    case "step-started":
      close(lane, at);
      lane.spans.push({ kind: "attempt", from: at, attempt });
      break;
    case "step-suspended": {
      end();
      const what = event.signal ? `the signal ${event.signal}` : event.run_id ? `run ${event.run_id}` : "a time";
      const until = event.until === undefined ? undefined : ms(event.until);
      lane.spans.push({ kind: "wait", from: at, attempt, until, note: `waits for ${what}` });
      break;
    }
    case "step-resumed":
      close(lane, at);
      lane.spans.push({ kind: "attempt", from: at, attempt });
      break;
    case "step-retry-scheduled":
      end("failed", event.failure?.message);
      lane.spans.push({ kind: "retry", from: at, attempt, note: `${event.failure?.code}; the next attempt follows` });
      break;
    case "step-succeeded":
      end("success");
      break;
    case "step-failed":
      end("failed", event.failure?.message);
      break;
    case "child-ended":
      close(lane, at, event.status === "success" ? "success" : "failed");
      break;
    case "step-cancelled":
      close(lane, at, "cancelled");
      break;
  }
}

/** Ends what is open, and says when the last stretch ended. */
function close(lane: Lane, at: number, outcome?: Span["outcome"]): number {
  const open = lane.spans.at(-1);
  if (open && open.to === undefined) {
    open.to = Math.max(open.from, at);
    open.outcome ??= outcome;
  }
  return open?.to ?? Number.NEGATIVE_INFINITY;
}
