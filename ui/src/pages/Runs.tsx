/** All runs, the newest first. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import type { RunItem } from "../api/types.ts";
import { took } from "../model/time.ts";
import { Empty, Id, Loading, State, Time } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";
import { BulkJob, Chosen, Jobs } from "./runs/Bulk.tsx";
import { Filters } from "./runs/Filters.tsx";
import { History } from "./runs/History.tsx";
import { useRunList } from "./runs/list.ts";
import { useNames } from "./workflow/names.ts";

const ROW = 38;
/** Rows beyond the edges of the list that are there already. */
const OVERSCAN = 12;

export default function Runs() {
  const [query, setQuery] = useSearchParams();
  const [, go] = useLocation();
  const [chosen, setChosen] = useState(new Set<string>());
  const [at, setAt] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const asked = new URLSearchParams(query);
  asked.delete("window");
  const filter = asked.toString();
  const range = useRef<[number, number]>([0, 0]);
  const list = useRunList(
    filter,
    useCallback(() => range.current, []),
  );
  const { rows, more, isComplete } = list;
  const names = useNames();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: OVERSCAN,
  });
  const items = virtual.getVirtualItems();
  range.current = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  const last = range.current[1];
  useEffect(() => {
    if (rows.length && last >= rows.length - 50 && !isComplete) more();
  }, [last, rows.length, isComplete, more]);
  const change = (changes: Record<string, string>) => {
    setQuery((now) => {
      const next = new URLSearchParams(now);
      for (const [name, value] of Object.entries(changes)) {
        if (value) next.set(name, value);
        else next.delete(name);
      }
      return next;
    });
    setChosen(new Set());
    setAt(0);
  };
  const choose = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  };
  const isFiltered = [...query.keys()].some((name) => name !== "window");
  return (
    <>
      <div className="bar spread">
        <h1>Runs</h1>
        {rows.length > 0 && <BulkJob query={asked} />}
      </div>
      <Filters query={query} change={change} />
      <History query={query} change={change} />
      <Chosen chosen={chosen} clear={() => setChosen(new Set())} />
      <Trouble error={list.error} again={list.again} />
      {!rows.length && list.isLoading && !list.error && <Loading what="the runs" />}
      {!rows.length && isComplete && (
        <Empty title={isFiltered ? "No run is like that" : "No runs yet"}>
          {isFiltered ? (
            <>
              <p>Nothing that ran fits the filter.</p>
              <Link href="/runs">Show all runs</Link>
            </>
          ) : (
            <>
              <p>
                A run is one pass through a workflow: you write what is to be done as steps, trigger it, and watch it
                here.
              </p>
              <Link href="/workflows/new" className="button main">
                Write the first workflow
              </Link>
            </>
          )}
        </Empty>
      )}
      {rows.length > 0 && (
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
                  choose={() => choose(run.id)}
                  workflow={names.get(run.workflow_id)}
                />
              );
            })}
          </div>
        </div>
      )}
      {rows.length > 0 && (
        <p className="said">
          {rows.length.toLocaleString()} {isComplete ? "runs, which are all" : "runs read so far; more come as you scroll"}
        </p>
      )}
      <Jobs />
    </>
  );
}

function Row({
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
  choose: () => void;
  workflow?: string;
}) {
  const labels = Object.entries(run.labels ?? {}).map(([name, value]) => `${name}:${value}`);
  return (
    <div className={`row ${isAt ? "at" : ""}`} style={{ top, height: ROW }} data-run={run.id}>
      <input type="checkbox" aria-label={`Choose run ${run.id}`} checked={isChosen} onChange={choose} />
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
}
