/** All workflows. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { address, call } from "../api/client.ts";
import type { Page, WorkflowItem } from "../api/types.ts";
import { Empty, Loading, Pill, Time } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";
import { EXAMPLES } from "./workflow/examples.ts";

export default function Workflows() {
  const [query, setQuery] = useSearchParams();
  const [text, setText] = useState(query.get("search") ?? "");
  const search = query.get("search") ?? "";
  const archived = query.get("archived") ?? "";
  const list = useInfiniteQuery({
    queryKey: ["workflows", search, archived],
    initialPageParam: "",
    getNextPageParam: (page: Page<WorkflowItem>) => page.next_cursor,
    queryFn: ({ pageParam }) =>
      call<Page<WorkflowItem>>(address("/api/v1/workflows", { search, archived, cursor: pageParam, limit: 50 })),
  });
  const set = (name: string, value: string) =>
    setQuery((now) => {
      const next = new URLSearchParams(now);
      if (value) next.set(name, value);
      else next.delete(name);
      return next;
    });
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const isFiltered = !!search || !!archived;
  return (
    <>
      <div className="bar spread">
        <h1>Workflows</h1>
        <Link href="/workflows/new" className="button main">
          Write a workflow
        </Link>
      </div>
      <search className="bar">
        <label className="field">
          Search
          <input
            id="filter"
            type="search"
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={(event) => event.key === "Enter" && set("search", text)}
            onBlur={() => text !== search && set("search", text)}
          />
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={archived === "true"}
            onChange={(event) => set("archived", event.target.checked ? "true" : "")}
          />{" "}
          those that were set aside
        </label>
      </search>
      <Trouble error={list.error} again={() => list.refetch()} />
      {list.isPending && !list.error && <Loading what="the workflows" />}
      {list.data && !items.length && (isFiltered ? (
        <Empty title="No workflow is like that">
          <Link href="/workflows">Show all workflows</Link>
        </Empty>
      ) : (
        <Empty title="No workflows yet">
          <p>A workflow says as data what is to be done: steps, what they wait for, and what happens when one fails.</p>
          <Examples />
        </Empty>
      ))}
      {items.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Name</th>
              <th>Version</th>
              <th>Changed</th>
              <th>Labels</th>
              <th>Runs</th>
            </tr>
          </thead>
          <tbody>
            {items.map((one) => (
              <tr key={one.uuid}>
                <td>
                  <Link href={`/workflows/${one.uuid}`}>{one.name}</Link> {one.id && <small>{one.id}</small>}
                  {one.archived_at && <Pill kind="paused">set aside</Pill>}
                </td>
                <td>{one.version}</td>
                <td>
                  <Time at={one.updated_at} />
                </td>
                <td>
                  {Object.entries(one.labels).map(([name, value]) => (
                    <Pill key={name}>
                      {name}:{value}
                    </Pill>
                  ))}
                </td>
                <td>
                  <Link href={`/runs?workflow_id=${one.uuid}`}>Runs of {one.name}</Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list.hasNextPage && (
        <button type="button" onClick={() => void list.fetchNextPage()}>
          More workflows
        </button>
      )}
    </>
  );
}

function Examples() {
  return (
    <>
      <p>Begin with one of these; each can be saved and run as it is:</p>
      <ul className="cards">
        {EXAMPLES.map((one) => (
          <li key={one.key}>
            <Link className="card" href={`/workflows/new?from=${one.key}`}>
              <b>{one.title}</b>
              <br />
              {one.teaches}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
