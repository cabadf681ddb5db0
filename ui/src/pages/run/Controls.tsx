/** What may be done with a run as it stands. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { call } from "../../api/client.ts";
import type { Page, Run, RunItem } from "../../api/types.ts";
import { when } from "../../model/time.ts";
import { Act, Confirm } from "../../parts/Act.tsx";

export type Ask = (verb: string, body?: unknown) => Promise<unknown>;

export function Controls({ run, ask }: { run: Run; ask: Ask }) {
  if (run.completed_at) {
    return (
      <>
        <Retry of={run} ask={ask} label="Retry …" />
        <CompareWith run={run} />
      </>
    );
  }
  return (
    <>
      {run.status === "paused" ? (
        <Act kind="main" act={() => ask("resume", {})}>
          Resume
        </Act>
      ) : (
        <Confirm
          verb="Pause"
          reason
          question="Nothing new of the run begins until it is resumed. What is under way may finish."
          act={(reason) => ask("pause", { reason })}
        >
          Pause
        </Confirm>
      )}
      <Confirm
        verb="Cancel the run"
        kind="danger"
        reason
        question="What is under way is interrupted, what was done is undone where the workflow says how, and its closing steps are done."
        act={(reason) => ask("cancel", { reason })}
      >
        Cancel
      </Confirm>
      <Confirm
        verb="Kill the run"
        kind="danger"
        reason
        question="The run ends at once: nothing is undone, and no closing step is done."
        act={(reason) => ask("kill", { reason })}
      >
        Kill
      </Confirm>
      <CompareWith run={run} />
    </>
  );
}

/** Asks from where and with which version a run is done again; from a step, where one is given. */
export function Retry({
  of: run,
  ask,
  label,
  step,
  iteration,
}: {
  of: Run;
  ask: Ask;
  label: string;
  step?: string;
  iteration?: number;
}) {
  const hasFailed = run.status !== "success";
  const [from, setFrom] = useState(hasFailed ? "failure" : "start");
  const [version, setVersion] = useState("pinned");
  const place = step === undefined ? undefined : iteration === undefined ? step : `${step}[${iteration}]`;
  return (
    <Confirm
      verb="Retry"
      kind="main"
      question={
        place
          ? `${place} is done again, and every step that comes after it.`
          : "The run goes on under its own identifier; what is done again is in its journal twice."
      }
      act={() => ask("retry", { from: place ? { step, iteration } : from, with: version })}
      more={
        <>
          {!place && (
            <label className="field">
              From
              <select value={from} onChange={(event) => setFrom(event.target.value)}>
                {hasFailed && <option value="failure">what failed or was cut off</option>}
                <option value="start">the start</option>
              </select>
            </label>
          )}
          <label className="field">
            With
            <select value={version} onChange={(event) => setVersion(event.target.value)}>
              <option value="pinned">version {run.workflow_version}, as the run has it</option>
              <option value="newest">the newest version</option>
            </select>
          </label>
        </>
      }
    >
      {label}
    </Confirm>
  );
}

function CompareWith({ run }: { run: Run }) {
  const [, go] = useLocation();
  const others = useQuery({
    queryKey: ["runs of", run.workflow_id],
    queryFn: () => call<Page<RunItem>>(`/api/v1/runs?workflow_id=${run.workflow_id}&limit=30`),
  });
  const items = others.data?.items.filter((one) => one.id !== run.id) ?? [];
  if (!items.length) return null;
  return (
    <select
      aria-label="Compare with another run"
      value=""
      onChange={(event) => event.target.value && go(`/runs/${run.id}/compare/${event.target.value}`)}
    >
      <option value="">Compare with …</option>
      {items.map((one) => (
        <option key={one.id} value={one.id}>
          {one.status} · {when(one.created_at)} · …{one.id.slice(-6)}
        </option>
      ))}
    </select>
  );
}
