/** How the system fares: health, throughput, backlog, lag, limits. */
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { Link } from "wouter";
import { call, text } from "../api/client.ts";
import type { LimitRow, Page } from "../api/types.ts";
import { fromNow } from "../model/time.ts";
import { Pill } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";
import { Figure } from "./plugins/PluginCard.tsx";
import { useCounts } from "./runs/Filters.tsx";
import { useMetrics } from "./system/metrics.ts";
import { charts } from "./system/series.ts";
import { useNames } from "./workflow/names.ts";

const Chart = lazy(() => import("../parts/Chart.tsx"));

export default function System() {
  const looks = useMetrics();
  const shown = charts(looks);
  const times = looks.map((look) => look.at);
  return (
    <>
      <h1>System</h1>
      <Health />
      <Standing />
      <div className="charts">
        {shown.map((one) => (
          <figure className="card" key={one.title}>
            <figcaption>
              <b>{one.title}</b> <small>{one.unit}</small>
              <p>{one.why}</p>
            </figcaption>
            <Suspense fallback={<div className="chart" />}>
              <Chart
                label={`${one.title}, ${one.unit}: ${one.lines.map((line) => `${line.name} ${last(line.values)}`).join(", ")}`}
                times={times}
                lines={one.lines}
              />
            </Suspense>
          </figure>
        ))}
      </div>
      <p className="dim">
        The charts are of the server that shows this page, since the console was opened. In a cluster each process has its own{" "}
        <a href="/metrics">metrics</a>; a Prometheus that reads them all remembers longer.
      </p>
      <h2>Limits of workflows</h2>
      <Limits />
    </>
  );
}

function last(values: (number | null)[]): string {
  const found = values.findLast((value) => value !== null);
  return found === undefined || found === null ? "nothing yet" : Number(found.toFixed(1)).toString();
}

function Health() {
  const health = useQuery({
    queryKey: ["health"],
    refetchInterval: 5000,
    retry: false,
    queryFn: () => call<{ status: string; version: string }>("/health/ready"),
  });
  const live = useQuery({
    queryKey: ["live"],
    refetchInterval: 5000,
    retry: false,
    queryFn: () => text("/health/live"),
  });
  return (
    <div className="bar facts">
      <span>
        process{" "}
        <Pill kind={live.error ? "failed" : "success"}>{live.error ? "does not answer" : live.data ? "lives" : "…"}</Pill>
      </span>
      <span>
        store and bus{" "}
        <Pill kind={health.error ? "failed" : "success"}>{health.error ? "not well" : health.data ? "well" : "…"}</Pill>
      </span>
      {health.data && <span>version {health.data.version}</span>}
      {health.error && <Trouble error={health.error} again={() => health.refetch()} />}
    </div>
  );
}

function Standing() {
  const counts = useCounts("");
  if (!counts) return null;
  return (
    <dl className="figures">
      {Object.entries(counts).map(([status, count]) => (
        <Figure key={status} name={status} value={count.toLocaleString()} bad={status === "failed" && count > 0} />
      ))}
    </dl>
  );
}

function Limits() {
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
