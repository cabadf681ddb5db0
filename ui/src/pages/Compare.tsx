/** Two runs of one workflow beside each other. */
import { Fragment } from "react";
import { Link } from "wouter";
import type { Run, StepResult } from "../api/types.ts";
import { difference } from "../model/difference.ts";
import { took } from "../model/time.ts";
import { stateOf } from "../model/states.ts";
import { Id, Loading, State, Time } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";
import { useRun } from "./run/live.ts";

export default function Compare({ id, other }: { id: string; other: string }) {
  const [left, right] = [useRun(id), useRun(other)];
  if (!left.data || !right.data) {
    const error = left.error ?? right.error;
    return (
      <>
        <h1>Two runs</h1>
        {error ? <Trouble error={error} again={() => Promise.all([left.refetch(), right.refetch()])} /> : <Loading what="both runs" />}
      </>
    );
  }
  const [a, b] = [left.data, right.data];
  const isOver: [boolean, boolean] = [!!a.completed_at, !!b.completed_at];
  const steps = [...new Set([...Object.keys(a.step_results), ...Object.keys(b.step_results)])];
  return (
    <>
      <div className="bar spread">
        <h1>Two runs of one workflow</h1>
        <Link href={`/runs/${other}/compare/${id}`}>Turn round</Link>
      </div>
      {a.workflow_id !== b.workflow_id && (
        <p className="card problem">These are runs of two workflows: their steps have little to do with each other.</p>
      )}
      <div className="scroll" role="region" aria-label="Comparison" tabIndex={0}>
        <table className="compare">
          <thead>
            <tr>
              <th>Step</th>
              <Head run={a} />
              <Head run={b} />
            </tr>
          </thead>
          <tbody>
            <Row name="(the run)" a={a} b={b} isOver={isOver} />
            <Values name="input" a={a.payload} b={b.payload} />
            {steps.map((step) => (
              <Fragment key={step}>
                <Row name={step} a={a.step_results[step]} b={b.step_results[step]} isOver={isOver} />
                <Values name="output" a={a.step_results[step]?.output} b={b.step_results[step]?.output} />
              </Fragment>
            ))}
            <Values name="output of the run" a={a.output} b={b.output} />
          </tbody>
        </table>
      </div>
    </>
  );
}

function Head({ run }: { run: Run }) {
  return (
    <th>
      <Id of={run.id} to={`/runs/${run.id}`} />
      <br />
      <small>
        version {run.workflow_version}, <Time at={run.created_at} />
      </small>
    </th>
  );
}

type Side = (StepResult | Run) | undefined;

function Row({ name, a, b, isOver }: { name: string; a: Side; b: Side; isOver: [boolean, boolean] }) {
  const isSame = a?.status === b?.status && code(a) === code(b);
  return (
    <tr className={isSame ? "" : "differs"}>
      <th scope="row">{name}</th>
      <Cell of={a} isOver={isOver[0]} />
      <Cell of={b} isOver={isOver[1]} />
    </tr>
  );
}

const code = (side: Side) => side?.failure?.code;

function Cell({ of, isOver }: { of: Side; isOver: boolean }) {
  if (!of) return <td>not there</td>;
  return (
    <td>
      <State of={"step_name" in of ? stateOf(of, isOver) : of.status} /> {took(of.started_at, of.completed_at)}
      {"attempt" in of && of.attempt > 1 && ` in ${of.attempt} attempts`}
      {of.failure && (
        <p className="failed">
          {of.failure.code}: {of.failure.message}
        </p>
      )}
    </td>
  );
}

/** Only what differs. */
function Values({ name, a, b }: { name: string; a: unknown; b: unknown }) {
  return difference(a, b, 20).map((one) => (
    <tr key={one.path} className="differs value">
      <th scope="row">
        <small>
          {name} <code>{one.path}</code>
        </small>
      </th>
      <td>
        <code>{show(one.before)}</code>
      </td>
      <td>
        <code>{show(one.after)}</code>
      </td>
    </tr>
  ));
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "not there";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
