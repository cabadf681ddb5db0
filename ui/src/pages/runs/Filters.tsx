/** Which runs are listed. Everything that is chosen is in the address. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { call } from "../../api/client.ts";
import { type Counts, type Page, STATUSES, type Stats, type WorkflowItem } from "../../api/types.ts";
import { fromLocal, toLocal } from "../../model/time.ts";
import { State } from "../../parts/small.tsx";

export type Change = (changes: Record<string, string>) => void;

export function Filters({ query, change }: { query: URLSearchParams; change: Change }) {
  const workflow = query.get("workflow_id") ?? "";
  const counts = useCounts(workflow);
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
        <Typed
          label="Label"
          hint="customer:7"
          value={query.get("label") ?? ""}
          change={(label) => change({ label })}
        />
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

/** A text that counts once it is whole: with Enter, or when one goes on. */
function Typed({
  label,
  hint,
  value,
  change,
}: {
  label: string;
  hint: string;
  value: string;
  change: (text: string) => void;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const isHalf = text !== "" && !/^[^:]+:.+/.test(text);
  return (
    <label className="field">
      {label}
      <input
        id="filter"
        value={text}
        placeholder={hint}
        aria-invalid={isHalf}
        title={isHalf ? "A name, a colon, a text: customer:7" : undefined}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => !isHalf && text !== value && change(text)}
        onKeyDown={(event) => event.key === "Enter" && !isHalf && change(text)}
      />
    </label>
  );
}
