/** The limits of workflows that are held or waited for. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { call } from "../../api/client.ts";
import type { LimitRow, Page } from "../../api/types.ts";
import { fromNow } from "../../model/time.ts";
import { Pill } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";
import { useNames } from "../workflow/names.ts";

export function Limits() {
  const names = useNames();
  const limits = useQuery({
    queryKey: ["limits"],
    refetchInterval: 3000,
    queryFn: () => call<Page<LimitRow>>("/api/v1/limits?limit=100"),
  });
  if (!limits.data) return <Trouble error={limits.error} again={() => limits.refetch()} />;
  if (!limits.data.items.length) {
    return (
      <p>
        No limit is held or waited for. A workflow says with <code>concurrency</code> and <code>rate_limit</code> how many of its
        runs may be under way.
      </p>
    );
  }
  return (
    <table>
      <thead>
        <tr>
          <th>Workflow</th>
          <th>Limit</th>
          <th>Key</th>
          <th>Taken</th>
          <th>Waiting</th>
          <th>Next</th>
        </tr>
      </thead>
      <tbody>
        {limits.data.items.map((one) => (
          <tr key={one.workflow_id + one.kind + one.key}>
            <td>
              <Link href={`/workflows/${one.workflow_id}`}>{names.get(one.workflow_id) ?? one.workflow_id}</Link>
            </td>
            <td>
              {one.kind} {one.limit}
              {one.per_seconds != null && ` per ${one.per_seconds} s`}
            </td>
            <td>
              <code>{one.key || "all"}</code>
            </td>
            <td>
              {one.running != null && (
                <>
                  <meter aria-label={`${one.running} of ${one.limit}`} min={0} max={one.limit} value={one.running} />{" "}
                  {one.running} of {one.limit}
                </>
              )}
            </td>
            <td>{one.waiting > 0 ? <Pill kind="paused">{one.waiting}</Pill> : 0}</td>
            <td>{one.next_at ? fromNow(one.next_at) : "when one ends"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
