/** One run, live: its graph, what it waits for, its timeline, steps, log and journal. */
import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { call } from "../api/client.ts";
import { took } from "../model/time.ts";
import { Json } from "../parts/Json.tsx";
import { Id, Loading, Pill, State, Time } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";
import { Controls } from "./run/Controls.tsx";
import { Failed } from "./run/Failed.tsx";
import { Journal } from "./run/Journal.tsx";
import { Log } from "./run/Log.tsx";
import { useDefinition, useEvents, useRun } from "./run/live.ts";
import { Steps } from "./run/Steps.tsx";
import { Timeline } from "./run/Timeline.tsx";
import { Untold } from "./run/Untold.tsx";
import { Waits } from "./run/Waits.tsx";

const Graph = lazy(() => import("../parts/Graph.tsx"));

export default function RunPage({ id }: { id: string }) {
  const [round, setRound] = useState(0);
  const [chosen, setChosen] = useState<string>();
  const read = useRun(id);
  const { events, isLive } = useEvents(id, round);
  const run = read.data;
  const definition = useDefinition(run).data;
  if (!run) {
    return (
      <>
        <h1>Run</h1>
        {read.error ? (
          <>
            <Trouble error={read.error} again={() => read.refetch()} />
            <Link href="/runs">All runs</Link>
          </>
        ) : (
          <Loading what="the run" />
        )}
      </>
    );
  }
  const ask = async (verb: string, body?: unknown) => {
    await call(`/api/v1/runs/${id}/${verb}`, "POST", body);
    setRound((one) => one + 1);
  };
  const labels = Object.entries(run.labels ?? {});
  return (
    <>
      <div className="bar spread">
        <h1>
          <span className="dim">Run of</span>{" "}
          <Link href={`/workflows/${run.workflow_id}`}>{definition?.name ?? "a workflow"}</Link>
        </h1>
        <div className="bar">
          <Controls run={run} ask={ask} />
        </div>
      </div>
      <div className="bar facts">
        <State of={run.waiting_for && run.status === "running" ? "waiting" : run.status} />
        <Id of={id} />
        <span>version {run.workflow_version}</span>
        <span>
          triggered <Time at={run.created_at} />
        </span>
        {run.started_at && run.completed_at && <span>took {took(run.started_at, run.completed_at)}</span>}
        {!!run.retries && <Pill>retried {run.retries}×</Pill>}
        {run.started_by && <Pill>started by {String(run.started_by.kind)}</Pill>}
        {run.parent && (
          <span>
            is {run.parent.step} of <Id of={run.parent.run_id} to={`/runs/${run.parent.run_id}`} />
          </span>
        )}
        {labels.map(([name, value]) => (
          <Link key={name} className="pill" href={`/runs?label=${encodeURIComponent(`${name}:${value}`)}`}>
            {name}:{value}
          </Link>
        ))}
        <span role="status" className="live">
          {isLive ? (run.completed_at ? "" : "live") : "The connection is broken; it is being taken up again."}
        </span>
      </div>
      {run.failure && <Failed failure={run.failure} where={run.failure.step ?? "the run"} />}
      {run.completed_at && <Untold run={id} />}
      <Waits run={run} definition={definition} />
      {definition && (
        <Suspense fallback={<div className="graph" />}>
          <Graph
            definition={definition}
            results={run.step_results}
            isOver={!!run.completed_at}
            chosen={chosen}
            choose={(step) => {
              setChosen(step);
              const card = document.getElementById(`step-${step}`);
              card?.scrollIntoView({ block: "nearest" });
              card?.querySelector("summary")?.focus({ preventScroll: true });
            }}
          />
        </Suspense>
      )}
      <h2>Timeline</h2>
      <Timeline events={events} results={run.step_results} isOver={!!run.completed_at} />
      <div className="columns">
        <section>
          <h2>Steps</h2>
          <Steps run={run} ask={ask} chosen={chosen} />
        </section>
        <section>
          <h2>Input and output</h2>
          <Json title="Input" value={run.payload} />
          <Json title="Output" value={run.output} />
          {run.output === null && <p>The workflow says no output of its own, or has not come to it.</p>}
          <h2>Log</h2>
          <Log id={id} steps={Object.keys(run.step_results)} />
        </section>
      </div>
      <h2>Journal</h2>
      <Journal events={events} />
    </>
  );
}
