/** A row for each step, with its attempts, waits and pauses before a retry as bars on one scale of time. */
import { useEffect, useMemo, useState } from "react";
import type { RunEvent, StepResult } from "../../api/types.ts";
import { span } from "../../model/time.ts";
import { type Lane, type Span, timeline } from "../../model/timeline.ts";

const ROWS_SHOWN = 200;

export function Timeline({
  events,
  results,
  isOver,
}: {
  events: RunEvent[];
  results: Record<string, StepResult>;
  isOver: boolean;
}) {
  const [now, setNow] = useState(Date.now);
  const [open, setOpen] = useState(new Set<string>());
  useEffect(() => {
    if (isOver) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [isOver]);
  const lanes = useMemo(() => timeline(events, isOver ? {} : results), [events, results, isOver]);
  if (!lanes.length) return <p>Nothing has begun yet.</p>;
  const ends = lanes.flatMap((lane) => lane.spans.map((one) => one.to ?? now));
  const start = Math.min(...lanes.map((lane) => lane.spans[0]!.from));
  const end = Math.max(start + 1, ...ends);
  const rows = folded(lanes, open);
  return (
    <div className="timeline">
      <div className="lane scale" aria-hidden="true">
        <span />
        <span className="ticks">
          {[0, 0.25, 0.5, 0.75, 1].map((part) => (
            <span key={part} style={{ left: `${part * 100}%` }}>
              {span((end - start) * part)}
            </span>
          ))}
        </span>
      </div>
      <ol aria-label="Timeline">
        {rows.slice(0, ROWS_SHOWN).map(({ lane, count }) => (
          <li className="lane" key={lane.key}>
            {count > 1 ? (
              <button
                type="button"
                className="plain"
                aria-expanded={open.has(lane.step)}
                onClick={() => {
                  const next = new Set(open);
                  if (!next.delete(lane.step)) next.add(lane.step);
                  setOpen(next);
                }}
              >
                {open.has(lane.step) ? "▾" : "▸"} {lane.step} <small>×{count}</small>
              </button>
            ) : (
              <span className={lane.iteration === undefined ? "cut" : "cut inner"} title={lane.key}>
                {lane.iteration !== undefined && open.has(lane.step) ? `[${lane.iteration}]` : lane.key}
              </span>
            )}
            <span className="bars">
              {lane.spans.map((one, at) => (
                <Bar key={at} of={one} start={start} length={end - start} now={now} />
              ))}
            </span>
          </li>
        ))}
      </ol>
      {rows.length > ROWS_SHOWN && <p>{rows.length - ROWS_SHOWN} more rows are in the journal.</p>}
      <p className="legend">
        <i className="bar-attempt success" /> attempt <i className="bar-attempt failed" /> failed attempt{" "}
        <i className="bar-attempt" /> attempt that went to wait <i className="bar-wait" /> wait <i className="bar-retry" /> pause before a retry
      </p>
    </div>
  );
}

/** The iterations of a loop stand in one row until it is opened. */
function folded(lanes: Lane[], open: Set<string>): { lane: Lane; count: number }[] {
  const rows: { lane: Lane; count: number }[] = [];
  const by = new Map<string, Lane[]>();
  for (const lane of lanes) by.set(lane.step, [...(by.get(lane.step) ?? []), lane]);
  for (const [step, all] of by) {
    if (all.length === 1) {
      rows.push({ lane: all[0]!, count: 1 });
      continue;
    }
    const spans = all.flatMap((lane) => lane.spans).sort((a, b) => a.from - b.from);
    rows.push({ lane: { key: step, step, spans }, count: all.length });
    if (open.has(step)) rows.push(...all.map((lane) => ({ lane, count: 1 })));
  }
  return rows;
}

function Bar({ of, start, length, now }: { of: Span; start: number; length: number; now: number }) {
  const to = Math.max(of.to ?? now, of.from);
  const what = { attempt: `attempt ${of.attempt}`, wait: "wait", retry: "pause before a retry" }[of.kind];
  const title = [what, of.outcome, span(to - of.from), of.note].filter(Boolean).join(", ");
  return (
    <span
      className={`bar-${of.kind} ${of.outcome ?? (of.to === undefined ? "running" : "")}`}
      style={{
        left: `${((of.from - start) / length) * 100}%`,
        width: `max(3px, ${((to - of.from) / length) * 100}%)`,
      }}
      role="img"
      aria-label={title}
      title={title}
    />
  );
}
