/** All runs, the newest first. */
import { useCallback, useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "wouter";
import { Empty, Loading } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";
import { BulkJob, Chosen, Jobs } from "./runs/Bulk.tsx";
import { type Change, Filters } from "./runs/Filters.tsx";
import { History } from "./runs/History.tsx";
import { useRunList } from "./runs/list.ts";
import { Table } from "./runs/Table.tsx";

export default function Runs() {
  const [query, setQuery] = useSearchParams();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const asked = new URLSearchParams(query);
  asked.delete("window");
  const filter = asked.toString();
  const looked = useRef<[number, number]>([0, 0]);
  const list = useRunList(
    filter,
    useCallback(() => looked.current, []),
  );
  const { rows, isComplete } = list;
  const none = useCallback(() => setChosen(new Set()), []);
  useEffect(none, [filter, none]);
  const change: Change = (changes) =>
    setQuery((now) => {
      const next = new URLSearchParams(now);
      for (const [name, values] of Object.entries(changes)) {
        next.delete(name);
        for (const value of [values].flat()) if (value) next.append(name, value);
      }
      return next;
    });
  const choose = useCallback(
    (id: string) =>
      setChosen((now) => {
        const next = new Set(now);
        if (!next.delete(id)) next.add(id);
        return next;
      }),
    [],
  );
  const isFiltered = [...query.keys()].some((name) => name !== "window");
  return (
    <>
      <div className="bar spread">
        <h1>Runs</h1>
        {rows.length > 0 && <BulkJob query={asked} />}
      </div>
      <Filters query={query} change={change} />
      <History query={query} change={change} />
      <Chosen chosen={chosen} clear={none} />
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
        <Table key={filter} list={list} chosen={chosen} choose={choose} looked={looked} />
      )}
      {rows.length > 0 && (
        <p className="said">
          {rows.length.toLocaleString()} {isComplete ? (rows.length === 1 ? "run, which is all" : "runs, which are all") : "runs read so far; more come as you scroll"}
        </p>
      )}
      <Jobs />
    </>
  );
}
