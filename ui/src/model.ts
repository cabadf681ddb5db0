/** Pure functions: the graph of a definition, the states that events lead to, the place of an error in a text. */
export type Step = { name: string; type: string; needs?: string[] | null; config?: unknown };
export type RunEvent = {
  seq: number;
  at: string;
  type: string;
  step?: string;
  iteration?: number;
  attempt?: number;
  until?: string;
  signal?: string;
  failure?: { code: string; message: string };
};
export type State = "pending" | "running" | "waiting" | "success" | "failed" | "skipped" | "cancelled";

/** The arrows between steps: those of `needs`; a step without it comes after the one before, as the engine has it. */
export function edges(steps: Step[]): [string, string][] {
  return steps.flatMap((step, at): [string, string][] => {
    if (step.needs) return step.needs.map((from) => [from, step.name]);
    const before = steps[at - 1];
    return before ? [[before.name, step.name]] : [];
  });
}

const AFTER: Record<string, State> = {
  "step-started": "running",
  "step-resumed": "running",
  "loop-started": "running",
  "step-suspended": "waiting",
  "step-retry-scheduled": "waiting",
  "step-succeeded": "success",
  "step-failed": "failed",
  "step-skipped": "skipped",
  "step-cancelled": "cancelled",
};

/** Each step's state after the events. What happens to one iteration leaves its loop running. */
export function states(events: RunEvent[]): Record<string, State> {
  const now: Record<string, State> = {};
  for (const event of events) {
    const after = AFTER[event.type];
    if (event.step && after) now[event.step] = event.iteration === undefined ? after : "running";
  }
  return now;
}

/** Adds an event to those there are, in order and once: a stream that is resumed may repeat. */
export function fold(events: RunEvent[], event: RunEvent): RunEvent[] {
  const last = events.at(-1);
  if (!last || event.seq > last.seq) return [...events, event];
  if (events.some((one) => one.seq === event.seq)) return events;
  return [...events, event].sort((a, b) => a.seq - b.seq);
}

/** Where in a JSON text the value of a pointer such as `/steps/0/type` begins; the nearest parent where it is missing. */
export function locate(text: string, pointer: string): number {
  const want = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
  let at = 0,
    found = 0,
    depth = -1;
  const space = () => {
    while (/[\s,:]/.test(text[at] ?? "")) at++;
  };
  const string = () => {
    const from = at++;
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at++;
    return text.slice(from + 1, at - 1);
  };
  const value = (path: string[]): void => {
    space();
    if (path.length > depth && path.every((part, i) => part === want[i])) {
      depth = path.length;
      found = at;
    }
    const open = text[at];
    if (open === "{" || open === "[") {
      at++;
      for (let index = 0; ; index++) {
        space();
        if (at >= text.length || text[at] === "}" || text[at] === "]") {
          at++;
          return;
        }
        value([...path, open === "{" ? string() : String(index)]);
      }
    } else if (open === '"') string();
    else {
      const from = at;
      while (at < text.length && !/[\s,:\]}]/.test(text[at] as string)) at++;
      if (at === from) at++;
    }
  };
  value([]);
  return Math.min(found, text.length);
}
