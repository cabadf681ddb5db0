import { QueryClient, QueryClientProvider, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { lazy, StrictMode, Suspense, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { Link, Redirect, Route, Router, Switch, useSearchParams } from "wouter";
import { call, headers } from "./api";
import { Do, Json, State, time, Trouble } from "./parts";
import "./style.css";
const RunPage = lazy(() => import("./RunPage"));
const WorkflowPage = lazy(() => import("./WorkflowPage"));
const STATES = ["pending", "running", "success", "failed", "paused", "cancelled"];

function Runs() {
  const [query, setQuery] = useSearchParams();
  const [chosen, setChosen] = useState(new Set<string>());
  const [progress, setProgress] = useState("");
  const client = useQueryClient();
  const box = useRef<HTMLDivElement>(null);
  const status = query.get("status") ?? "";
  const counts = useQuery({ queryKey: ["stats"], queryFn: () => call("/api/v1/stats"), refetchInterval: 3000 });
  const runs = useInfiniteQuery({
    queryKey: ["runs", query.toString()],
    initialPageParam: "",
    refetchInterval: 5000,
    getNextPageParam: (page: any) => page.next_cursor,
    queryFn: ({ pageParam }) => {
      const ask = new URLSearchParams(query);
      ask.set("limit", "100");
      if (pageParam) ask.set("cursor", pageParam);
      return call(`/api/v1/runs?${ask}`);
    },
  });
  const rows = runs.data?.pages.flatMap((page) => page.items) ?? [];
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => 36,
    overscan: 10,
  });
  const set = (name: string, value: string) =>
    setQuery((now) => {
      value ? now.set(name, value) : now.delete(name);
      return now;
    });
  const all = async (verb: string) => {
    let done = 0,
      refused = 0;
    for (const id of chosen) {
      await call(`/api/v1/runs/${id}/${verb}`, "POST", verb === "retry" ? {} : undefined).catch(() => refused++);
      setProgress(`${++done} of ${chosen.size}, ${refused} refused`);
    }
    setChosen(new Set());
    await client.invalidateQueries();
  };
  return (
    <>
      <h1>Runs</h1>
      <div className="bar">
        <button aria-pressed={!status} onClick={() => set("status", "")}>
          all
        </button>
        {STATES.map((one) => (
          <button key={one} aria-pressed={status === one} onClick={() => set("status", one)}>
            {one} {counts.data?.runs[one]}
          </button>
        ))}
        <label>
          Workflow{" "}
          <input value={query.get("workflow_id") ?? ""} onChange={(event) => set("workflow_id", event.target.value)} />
        </label>
      </div>
      {chosen.size > 0 && (
        <div className="bar">
          {chosen.size} chosen{" "}
          {["cancel", "pause", "resume", "retry"].map((verb) => (
            <button key={verb} onClick={() => void all(verb)}>
              {verb}
            </button>
          ))}
        </div>
      )}
      <div role="status">{progress}</div>
      <Trouble error={runs.error} again={() => runs.refetch()} />
      {runs.data && !rows.length && (
        <div className="card">
          <p>No runs {status && `that are ${status}`} yet. A run is one pass through a workflow.</p>
          <Link href="/workflows/new">Write the first workflow</Link>
        </div>
      )}
      <div
        ref={box}
        tabIndex={0}
        aria-label="Runs"
        role="region"
        style={{ height: rows.length ? "70vh" : 0, overflow: "auto" }}
        onScroll={({ currentTarget: at }) => {
          if (at.scrollTop + at.clientHeight > at.scrollHeight - 600 && runs.hasNextPage && !runs.isFetching)
            void runs.fetchNextPage();
        }}
      >
        <div style={{ height: list.getTotalSize(), position: "relative" }}>
          {list.getVirtualItems().map((item) => {
            const run = rows[item.index];
            return (
              <div
                key={run.id}
                className="row"
                style={{ position: "absolute", top: item.start, height: 36, width: "100%" }}
              >
                <input
                  type="checkbox"
                  aria-label={`Choose ${run.id}`}
                  checked={chosen.has(run.id)}
                  onChange={() => {
                    const next = new Set(chosen);
                    next.delete(run.id) || next.add(run.id);
                    setChosen(next);
                  }}
                />
                <Link href={`/runs/${run.id}`}>{run.id}</Link>
                <State of={run.status} />
                <span>{time(run.created_at)}</span>
                <span>{run.error}</span>
              </div>
            );
          })}
        </div>
      </div>
    </>
  );
}
function Workflows() {
  const [search, setSearch] = useState("");
  const list = useQuery({
    queryKey: ["workflows", search],
    queryFn: () => call(`/api/v1/workflows?limit=200${search && `&search=${encodeURIComponent(search)}`}`),
  });
  return (
    <>
      <h1>Workflows</h1>
      <div className="bar">
        <label>
          Search <input value={search} onChange={(event) => setSearch(event.target.value)} />
        </label>
        <Link href="/workflows/new">New workflow</Link>
      </div>
      <Trouble error={list.error} again={() => list.refetch()} />
      {list.data && !list.data.items.length && (
        <div className="card">
          No workflow {search ? "is called so" : "yet: \u201cNew workflow\u201d opens one that is ready to be created"}.
        </div>
      )}
      <table>
        <thead>
          <tr>
            <th>Name</th>
            <th>Version</th>
            <th>Changed</th>
          </tr>
        </thead>
        <tbody>
          {list.data?.items.map((one: any) => (
            <tr key={one.uuid}>
              <td>
                <Link href={`/workflows/${one.uuid}`}>{one.name}</Link>
              </td>
              <td>{one.version}</td>
              <td>{time(one.updated_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
function Plugins() {
  const list = useQuery({ queryKey: ["plugins"], queryFn: () => call("/api/v1/plugins") });
  const client = useQueryClient();
  const [failed, setFailed] = useState<unknown>();
  const upload = (file?: File | null) => {
    if (file)
      call("/api/v1/plugins", "POST", file).then(() => {
        setFailed(undefined);
        return client.invalidateQueries();
      }, setFailed);
  };
  return (
    <>
      <h1>Plugins</h1>
      <label
        className="card drop"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          upload(event.dataTransfer.files[0]);
        }}
      >
        Drop a component here, or choose one:{" "}
        <input type="file" accept=".wasm" onChange={(event) => upload(event.target.files?.[0])} />
      </label>
      <Trouble error={failed ?? list.error} again={failed ? undefined : () => list.refetch()} />
      {list.data?.refused.map((one: any) => (
        <div className="card problem" key={one.path}>
          {one.path}: {one.reason}
        </div>
      ))}
      {list.data?.items.map((one: any) => (
        <section className="card" key={one.digest}>
          <h2>
            {one.name}{" "}
            <small>
              {one.version} · {one.status} · {Math.round(one.size_bytes / 1024)} KiB · {one.pure ? "pure" : "not pure"}{" "}
              · {one.origin}
            </small>
          </h2>
          <p>{one.description}</p>
          {one.asks.length > 0 && (
            <p>
              Asks for {one.asks.join(", ")}
              {one.missing_grants.length > 0 && <b className="failed"> – missing: {one.missing_grants.join(", ")}</b>}
            </p>
          )}
          {one.asks_more?.length > 0 && (
            <p>
              More than before: {one.asks_more.join(", ")}{" "}
              <Do act={() => call(`/api/v1/plugins/${one.name}/agree`, "POST")}>Agree</Do>
            </p>
          )}
          <Json title="Grants" value={one.grants} />
          {one.actions.map((act: any) => (
            <details key={act.name}>
              <summary>
                {act.name}: {act.title}
              </summary>
              <p>{act.description}</p>
              <Json title="Configuration" value={act.config_schema} />
              <Json title="Output" value={act.output_schema} />
              <Json title="Examples" value={act.examples} />
            </details>
          ))}
          {one.origin !== "bundled" && (
            <Do
              act={() =>
                call(`/api/v1/plugins/${one.name}/${one.status === "disabled" ? "enable" : "disable"}`, "POST")
              }
            >
              {one.status === "disabled" ? "Enable" : "Disable"}
            </Do>
          )}
        </section>
      ))}
    </>
  );
}
function System() {
  const well = useQuery({ queryKey: ["ready"], queryFn: () => call("/health/ready"), refetchInterval: 5000 });
  const stats = useQuery({ queryKey: ["stats"], queryFn: () => call("/api/v1/stats"), refetchInterval: 3000 });
  const limits = useQuery({ queryKey: ["limits"], queryFn: () => call("/api/v1/limits"), refetchInterval: 5000 });
  const metrics = useQuery({
    queryKey: ["metrics"],
    refetchInterval: 5000,
    queryFn: async () => (await fetch("/metrics", { headers: headers() })).text(),
  });
  return (
    <>
      <h1>System</h1>
      <Trouble error={well.error} />
      {well.data && (
        <p>
          Store and bus: <b className="success">{well.data.status}</b> · version {well.data.version}
        </p>
      )}
      <table>
        <thead>
          <tr>
            <th>Runs that are</th>
            <th>How many</th>
          </tr>
        </thead>
        <tbody>
          {STATES.map((one) => (
            <tr key={one}>
              <td>{one}</td>
              <td>{stats.data?.runs[one]}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>Limits</h2>
      {limits.data?.items.length ? (
        <Json title="Held and waited for" value={limits.data.items} />
      ) : (
        <p>No limit is held or waited for.</p>
      )}
      <h2>Metrics</h2>
      <pre tabIndex={0} aria-label="Metrics">
        {metrics.data
          ?.split("\n")
          .filter((line) => line && !line.startsWith("#") && !line.includes("_bucket"))
          .join("\n")}
      </pre>
    </>
  );
}
const client = new QueryClient({
  defaultOptions: {
    queries: { retry: (count, error: any) => (error.status === 0 || error.status >= 500 ? count < 3 : false) },
  },
});
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <Router base="/console">
        <header>
          <b>Millwork</b>
          <nav className="bar" aria-label="Main">
            {["Runs", "Workflows", "Plugins", "System"].map((name) => (
              <Link key={name} href={`/${name.toLowerCase()}`} className={(active) => (active ? "active" : "")}>
                {name}
              </Link>
            ))}
            <a href="/docs">API</a>
          </nav>
        </header>
        <main>
          <Suspense fallback="…">
            <Switch>
              <Route path="/runs" component={Runs} />
              <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
              <Route path="/workflows" component={Workflows} />
              <Route path="/workflows/:id">{({ id }) => <WorkflowPage key={id} id={id} />}</Route>
              <Route path="/plugins" component={Plugins} />
              <Route path="/system" component={System} />
              <Route>
                <Redirect href="/runs" />
              </Route>
            </Switch>
          </Suspense>
        </main>
      </Router>
    </QueryClientProvider>
  </StrictMode>,
);
