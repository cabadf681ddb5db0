/** The rows of the list that are on the screen. Apart from the rest of the page, which does not change while one scrolls. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type RefObject, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { RunItem } from "../../api/types.ts";
import { took } from "../../model/time.ts";
import { Id, State, Time } from "../../parts/small.tsx";
import { useNames } from "../workflow/names.ts";
import type { RunList } from "./list.ts";

const ROW = 38;
/** Rows beyond the edges of the list that are there already. */
const OVERSCAN = 12;
/** So many rows before the end, more are read. */
const AHEAD = 100;

export const Table = memo(function Table({
  list,
  chosen,
  choose,
  looked,
}: {
  list: RunList;
  chosen: ReadonlySet<string>;
  choose: (id: string) => void;
  /** Is told which rows are on the screen. */
  looked: RefObject<[number, number]>;
}) {
  const { rows, more, isComplete } = list;
  const [, go] = useLocation();
  const [at, setAt] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const names = useNames();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: OVERSCAN,
  });
  const items = virtual.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  useEffect(() => {
    looked.current = [first, last];
    if (rows.length && last >= rows.length - AHEAD && !isComplete) more();
  }, [first, last, rows.length, isComplete, more, looked]);
  return (
    <div
      ref={box}
      className="list"
      tabIndex={0}
      role="region"
      aria-label="Runs: up and down move, Enter opens, x ticks"
      onKeyDown={(event) => {
        const move = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15 }[event.key];
        if (move) {
          event.preventDefault();
          const next = Math.min(Math.max(at + move, 0), rows.length - 1);
          setAt(next);
          virtual.scrollToIndex(next);
        } else if (event.target === box.current && event.key === "Enter") go(`/runs/${rows[at]?.id}`);
        else if (event.key === "x" && rows[at]) choose(rows[at].id);
      }}
    >
      <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {items.map((item) => {
          const run = rows[item.index]!;
          return (
            <Row
              key={run.id}
              run={run}
              top={item.start}
              isAt={item.index === at}
              isChosen={chosen.has(run.id)}
              choose={choose}
              workflow={names.get(run.workflow_id)}
            />
          );
        })}
      </div>
    </div>
  );
});

const Row = memo(function Row({
  run,
  top,
  isAt,
  isChosen,
  choose,
  workflow,
}: {
  run: RunItem;
  top: number;
  isAt: boolean;
  isChosen: boolean;
  choose: (id: string) => void;
  workflow?: string;
}) {
  const labels = Object.entries(run.labels ?? {}).map(([name, value]) => `${name}:${value}`);
  return (
    <div className={`row ${isAt ? "at" : ""}`} style={{ top, height: ROW }} data-run={run.id}>
      <input type="checkbox" aria-label={`Choose run ${run.id}`} checked={isChosen} onChange={() => choose(run.id)} />
      <State of={run.status} />
      <Id of={run.id} to={`/runs/${run.id}`} />
      <span className="cut">{workflow ?? <code>{run.workflow_id.slice(0, 8)}…</code>}</span>
      <Time at={run.created_at} />
      <span>{took(run.started_at, run.completed_at)}</span>
      <span className="cut" title={run.error ?? labels.join(" ")}>
        {run.error ? <span className="failed">{run.error}</span> : labels.join(" ")}
      </span>
    </div>
  );
});
