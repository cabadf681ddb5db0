import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { Link } from "wouter";
import { call, follow } from "./api";
import { fold, type RunEvent, states } from "./model";
import { Do, Json, State, time, Trouble } from "./parts";
const Graph = lazy(() => import("./Graph"));
const SchemaForm = lazy(() => import("./SchemaForm"));

export default function RunPage({ id }: { id: string }) {
  const client = useQueryClient();
  const [events, setEvents] = useState<RunEvent[]>([]);
  const [failed, setFailed] = useState<unknown>();
  const [live, setLive] = useState(true);
  const [round, setRound] = useState(0);
  const run = useQuery({
    queryKey: ["run", id],
    queryFn: () => call(`/api/v1/runs/${id}`),
    refetchInterval: (query) => (query.state.data?.completed_at ? false : 5000),
  });
  const flow = useQuery({
    queryKey: ["version", run.data?.workflow_id, run.data?.workflow_version],
    enabled: !!run.data,
    queryFn: () => call(`/api/v1/workflows/${run.data.workflow_id}/versions/${run.data.workflow_version}`),
  });
  const log = useQuery({ queryKey: ["log", id], queryFn: () => call(`/api/v1/runs/${id}/logs`) });
  useEffect(() => {
    const stop = new AbortController();
    let due: ReturnType<typeof setTimeout> | undefined;
    follow(
      id,
      (event) => {
        setEvents((now) => fold(now, event));
        due ??= setTimeout(() => {
          due = undefined;
          void client.invalidateQueries({ queryKey: ["run", id] });
          void client.invalidateQueries({ queryKey: ["log", id] });
        }, 250);
      },
      setLive,
      stop.signal,
    );
    return () => {
      stop.abort();
      clearTimeout(due);
    };
  }, [id, round]);
  if (!run.data)
    return (
      <>
        <h1>Run</h1>
        <Trouble error={run.error} again={() => run.refetch()} />
      </>
    );
  const { data } = run;
  const ask = (verb: string, body?: unknown) => async () => {
    await call(`/api/v1/runs/${id}/${verb}`, "POST", body);
    setRound((one) => one + 1);
  };
  const waits = data.waiting_for;
  const step = flow.data?.steps.find((one: any) => one.name === waits?.step);
  const form =
    step?.type === "signal.approval"
      ? {
          title: step.config.question,
          type: "object",
          required: ["decision"],
          properties: {
            decision: { title: "Decision", enum: ["approved", "rejected"] },
            by: { type: "string", title: "By" },
            ...(step.config.form && { form: { type: "object", ...step.config.form } }),
          },
        }
      : { type: "object", properties: { value: { type: "string", title: "What to hand over" } } };
  return (
    <>
      <h1>
        Run <small>{id}</small>
      </h1>
      <div className="bar">
        <State of={data.status} /> of{" "}
        <Link href={`/workflows/${data.workflow_id}`}>{flow.data?.name ?? data.workflow_id}</Link> version{" "}
        {data.workflow_version} · {time(data.created_at)}{" "}
        <span role="status">{live ? "" : "The connection is broken; it is being taken up again."}</span>
      </div>
      <div className="bar">
        {data.completed_at ? (
          <>
            {data.status !== "success" && <Do act={ask("retry", {})}>Retry what failed</Do>}
            <Do act={ask("retry", { from: "start" })}>Retry from the start</Do>
          </>
        ) : (
          <>
            <Do act={ask("cancel")}>Cancel</Do>
            {data.status === "paused" ? <Do act={ask("resume")}>Resume</Do> : <Do act={ask("pause")}>Pause</Do>}
          </>
        )}
      </div>
      {data.failure && (
        <div className="card problem" role="alert">
          <b>{data.failure.code}</b> in {data.failure.step ?? "the run"}: {data.failure.message}
        </div>
      )}
      <Trouble error={failed} />
      {waits && (
        <div className="card">
          Waits for <b>{waits.kind}</b> {waits.signal} {waits.step && `in ${waits.step}`}{" "}
          {waits.until && `until ${time(waits.until)}`}
          {waits.signal && (
            <Suspense>
              <SchemaForm
                schema={form}
                label={`Send ${waits.signal}`}
                send={(body) => ask(`signals/${waits.signal}`, body)().then(() => setFailed(undefined), setFailed)}
              />
            </Suspense>
          )}
        </div>
      )}
      {flow.data && (
        <Suspense>
          <Graph steps={flow.data.steps} now={states(events)} />
        </Suspense>
      )}
      <h2>Steps</h2>
      {Object.values<any>(data.step_results).map((one) => (
        <div className="card" key={one.step_name}>
          <b>{one.step_name}</b> <State of={one.status} /> attempt {one.attempt} · {time(one.started_at)} –{" "}
          {time(one.completed_at)}{" "}
          {one.failure && (
            <span className="failed">
              {one.failure.code}: {one.failure.message}
            </span>
          )}
          <Json title="Output" value={one.output} />
          {data.completed_at && (
            <Do act={ask("retry", { from: { step: one.step_name } })}>Retry from {one.step_name}</Do>
          )}
        </div>
      ))}
      <Json title="Input" value={data.payload} />
      <Json title="Output of the run" value={data.output} />
      <h2>Log</h2>
      {log.data?.items.length ? (
        <pre tabIndex={0} aria-label="Log">
          {log.data.items.map((line: any) => `${line.at} ${line.level} ${line.step}: ${line.message}`).join("\n")}
        </pre>
      ) : (
        <p>The plugins have said nothing.</p>
      )}
      <h2>Journal</h2>
      <table>
        <thead>
          <tr>
            <th>#</th>
            <th>When</th>
            <th>What</th>
            <th>Step</th>
            <th>Attempt</th>
          </tr>
        </thead>
        <tbody>
          {events.map((one) => (
            <tr key={one.seq}>
              <td>{one.seq}</td>
              <td>{time(one.at)}</td>
              <td>{one.type}</td>
              <td>
                {one.step}
                {one.iteration !== undefined && `[${one.iteration}]`}
              </td>
              <td>{one.attempt}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
