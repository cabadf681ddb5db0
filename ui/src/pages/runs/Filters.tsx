/** Which runs are listed. Everything that is chosen is in the address. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../api/client.ts";
import { type Counts, type Page, STATUSES, type Stats, type WorkflowItem } from "../../api/types.ts";
import { fromLocal, toLocal } from "../../model/time.ts";
import { State } from "../../parts/small.tsx";

/** What is to be in the address; an empty text takes it out. */
export type Change = (changes: Record<string, string | string[]>) => void;

export function Filters({ query, change }: { query: URLSearchParams; change: Change }) {
  const workflow = query.get("workflow_id") ?? "";
  const labels = query.getAll("label");
  const counted = useCounts(workflow);
  // Counts are kept by workflow and state: of what is narrowed further they would tell too many.
  const isNarrow = labels.length > 0 || query.has("created_from") || query.has("created_before");
  const counts = isNarrow ? undefined : counted;
  const workflows = useQuery({
    queryKey: ["workflows", "names"],
    queryFn: () => call<Page<WorkflowItem>>("/api/v1/workflows?limit=200"),
  });
  const known = workflows.data?.items ?? [];
  const status = query.get("status") ?? "";
  const all = counts && Object.values(counts).reduce((sum, one) => sum + one, 0);
  return (
    <search className="filters">
      <div className="bar tabs" role="group" aria-label="State">
        <button type="button" aria-pressed={!status} onClick={() => change({ status: "" })}>
          all <Count of={all} />
        </button>
        {STATUSES.map((one) => (
          <button
            type="button"
            key={one}
            aria-pressed={status === one}
            onClick={() => change({ status: status === one ? "" : one })}
          >
            <State of={one} /> <Count of={counts?.[one]} />
          </button>
        ))}
      </div>
      <div className="bar">
        <label className="field">
          Workflow
          <select value={workflow} onChange={(event) => change({ workflow_id: event.target.value })}>
            <option value="">any</option>
            {workflow && !known.some((one) => one.uuid === workflow) && <option value={workflow}>{workflow}</option>}
            {known.map((one) => (
              <option key={one.uuid} value={one.uuid}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <Labels labels={labels} change={(label) => change({ label })} />
        <label className="field">
          From
          <input
            type="datetime-local"
            value={toLocal(query.get("created_from") ?? "")}
            onChange={(event) => change({ created_from: fromLocal(event.target.value) })}
          />
        </label>
        <label className="field">
          Before
          <input
            type="datetime-local"
            value={toLocal(query.get("created_before") ?? "")}
            onChange={(event) => change({ created_before: fromLocal(event.target.value) })}
          />
        </label>
        {query.size > 0 && (
          <button
            type="button"
            className="plain"
            onClick={() =>
              change({ status: "", workflow_id: "", label: "", created_from: "", created_before: "", order: "" })
            }
          >
            Clear filters
          </button>
        )}
      </div>
    </search>
  );
}

export function useCounts(workflow: string): Counts | undefined {
  const stats = useQuery({
    queryKey: ["stats", workflow],
    queryFn: () => call<Stats>(`/api/v1/stats${workflow && `?workflow_id=${workflow}`}`),
    refetchInterval: 3000,
  });
  return stats.data?.runs;
}

function Count({ of }: { of?: number }) {
  return of === undefined ? null : <small>{of.toLocaleString()}</small>;
}

/** Labels that a run has to have, all of them: each is typed and taken with Enter, and taken out by a click. */
function Labels({ labels, change }: { labels: string[]; change: (labels: string[]) => void }) {
  const [text, setText] = useState("");
  const isHalf = text !== "" && !/^[^:]+:.+/.test(text);
  const take = () => {
    if (!text || isHalf) return;
    change([...new Set([...labels, text])]);
    setText("");
  };
  return (
    <>
      <label className="field">
        Label
        <input
          id="filter"
          value={text}
          placeholder={labels.length ? "and team:shop" : "customer:7"}
          aria-invalid={isHalf}
          title={isHalf ? "A name, a colon, a text: customer:7" : undefined}
          onChange={(event) => setText(event.target.value)}
          onBlur={take}
          onKeyDown={(event) => event.key === "Enter" && take()}
        />
      </label>
      {labels.map((label) => (
        <button
          type="button"
          key={label}
          className="taken"
          aria-label={`Take out the label ${label}`}
          onClick={() => change(labels.filter((one) => one !== label))}
        >
          {label} <span aria-hidden="true">✕</span>
        </button>
      ))}
    </>
  );
}
