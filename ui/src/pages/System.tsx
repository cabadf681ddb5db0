/** How the system fares: health, throughput, backlog, lag, limits; and what has not arrived at those who are told of runs. */
import { Link } from "wouter";
import { Trouble } from "../parts/Trouble.tsx";
import { Figure } from "./plugins/PluginCard.tsx";
import { useCounts } from "./runs/Filters.tsx";
import { Charts } from "./system/Charts.tsx";
import { Deliveries } from "./system/Deliveries.tsx";
import { Health } from "./system/Health.tsx";
import { Limits } from "./system/Limits.tsx";
import { useMetrics } from "./system/metrics.ts";

const PAGES = [
  ["now", "/system", Now],
  ["deliveries", "/system/deliveries", Deliveries],
] as const;

export default function System({ page = "now" }: { page?: string }) {
  const [name, , Shown] = PAGES.find(([one]) => one === page) ?? PAGES[0];
  return (
    <>
      <h1>System</h1>
      <nav className="bar tabs" aria-label="System">
        {PAGES.map(([one, address]) => (
          <Link key={one} href={address} aria-current={one === name ? "page" : undefined} className="button">
            {one}
          </Link>
        ))}
      </nav>
      <Shown />
    </>
  );
}

function Now() {
  const { looks, error, again } = useMetrics();
  return (
    <>
      <Health looks={looks} />
      <Standing />
      <Trouble error={error} again={again} />
      {!(error && looks.length < 2) && <Charts looks={looks} />}
      <p className="dim">
        The charts are of the server that shows this page, and of the last ten minutes while it is open. In a cluster each process has
        its own <a href="/metrics">metrics</a>; a Prometheus that reads them all remembers longer.
      </p>
      <h2>Limits of workflows</h2>
      <Limits />
    </>
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
