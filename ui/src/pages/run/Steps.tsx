/** Each step of a run: where it stands, what it gave, why it failed, and retry from there. */
import { useEffect, useState } from "react";
import type { Run, StepResult } from "../../api/types.ts";
import { took } from "../../model/time.ts";
import { stateOf } from "../../model/states.ts";
import { Json } from "../../parts/Json.tsx";
import { State, Time } from "../../parts/small.tsx";
import { type Ask, Retry } from "./Controls.tsx";
import { Failed } from "./Failed.tsx";

export function Steps({ run, ask, chosen }: { run: Run; ask: Ask; chosen?: string }) {
  return (
    <div className="steps">
      {Object.values(run.step_results).map((one) => (
        <StepCard key={one.step_name} run={run} step={one} ask={ask} isChosen={one.step_name === chosen} />
      ))}
    </div>
  );
}

function StepCard({ run, step, ask, isChosen }: { run: Run; step: StepResult; ask: Ask; isChosen: boolean }) {
  const [isOpen, setOpen] = useState<boolean>();
  const open = isOpen ?? step.status === "failed";
  useEffect(() => {
    if (isChosen) setOpen(true);
  }, [isChosen]);
  return (
    <details
      className={`card step-card ${isChosen ? "chosen" : ""}`}
      open={open}
      id={`step-${step.step_name}`}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <b>{step.step_name}</b> <State of={stateOf(step, !!run.completed_at)} />
        {step.attempt > 1 && <small>attempt {step.attempt}</small>}
        {step.iterations && (
          <small>
            {step.iterations.done} of {step.iterations.total}
          </small>
        )}
        <small>{took(step.started_at, step.completed_at)}</small>
      </summary>
      {open && (
        <>
          {step.started_at && (
            <p>
              <small>
                <Time at={step.started_at} /> – <Time at={step.completed_at} />
              </small>
            </p>
          )}
          {step.failure && <Failed failure={step.failure} />}
          <Json title="Output" value={step.output} />
          {step.iterations && <Iterations run={run} step={step} ask={ask} />}
          {run.completed_at && step.status !== "pending" && (
            <Retry of={run} ask={ask} label={`Retry from ${step.step_name}`} step={step.step_name} />
          )}
        </>
      )}
    </details>
  );
}

function Iterations({ run, step, ask }: { run: Run; step: StepResult; ask: Ask }) {
  const { shown, total } = step.iterations!;
  return (
    <table>
      <caption>
        {shown.length < total ? `${shown.length} of ${total} iterations, those that are not done first` : "Iterations"}
      </caption>
      <thead>
        <tr>
          <th>#</th>
          <th>State</th>
          <th>Attempt</th>
          <th>Took</th>
          <th>What came of it</th>
        </tr>
      </thead>
      <tbody>
        {shown.map((one) => (
          <tr key={one.index}>
            <td>{one.index}</td>
            <td>
              <State of={stateOf(one, !!run.completed_at)} />
            </td>
            <td>{one.attempt}</td>
            <td>{took(one.started_at, one.completed_at)}</td>
            <td>
              {one.failure && <Failed failure={one.failure} />}
              <Json title="Output" value={one.output} />
              {run.completed_at && one.status !== "pending" && (
                <Retry
                  of={run}
                  ask={ask}
                  label={`Retry from ${step.step_name}[${one.index}]`}
                  step={step.step_name}
                  iteration={one.index}
                />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
