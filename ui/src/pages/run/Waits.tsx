/** What a run waits for and until when; a signal is sent by a form. */
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link } from "wouter";
import { call } from "../../api/client.ts";
import type { Definition, LogLine, Run, Schema, Step, StepResult, Wait } from "../../api/types.ts";
import { fromNow } from "../../model/time.ts";
import { Id, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

const SchemaForm = lazy(() => import("../../parts/SchemaForm.tsx"));

const SHOWN = 20;

type Waiting = Pick<StepResult, "waiting_for" | "log">;

export function Waits({ run, definition }: { run: Run; definition?: Definition }) {
  const steps = Object.values(run.step_results)
    .flatMap((one): Waiting[] => one.iterations?.shown ?? [one])
    .filter((one) => one.waiting_for);
  const isWhole = run.waiting_for && (run.waiting_for.kind === "limit" || run.waiting_for.kind === "paused");
  const waits: Waiting[] = isWhole ? [{ waiting_for: run.waiting_for! }, ...steps] : steps;
  const asked = new Set<string>();
  const shown = waits.slice(0, SHOWN).map(({ waiting_for, log }, at) => {
    const wait = waiting_for!;
    const isAsked = wait.signal !== undefined && !asked.has(wait.signal) && asked.add(wait.signal);
    return (
      <section className="card waiting-for" key={`${wait.step ?? "run"}${at}`} aria-label="What it waits for">
        <p>
          <What of={wait} />
          {wait.until && (
            <>
              {" "}
              until <Time at={wait.until} /> ({fromNow(wait.until)})
            </>
          )}
          {wait.since && (
            <>
              {" "}
              since <Time at={wait.since} />
            </>
          )}
          .
        </p>
        {isAsked && <Send run={run.id} signal={wait.signal!} step={stepOf(definition, wait)} log={log} />}
      </section>
    );
  });
  return (
    <>
      {shown}
      {waits.length > SHOWN && <p>{waits.length - SHOWN} more wait; each stands with its step below.</p>}
    </>
  );
}

function stepOf(definition: Definition | undefined, wait: Wait): Step | undefined {
  const name = wait.step?.replace(/\[\d+\]$/, "");
  const all = [...(definition?.steps ?? []), ...(definition?.on_failure ?? []), ...(definition?.finally ?? [])];
  return all.find((step) => step.name === name);
}

function What({ of: wait }: { of: Wait }) {
  const step = wait.step && <b>{wait.step}</b>;
  switch (wait.kind) {
    case "time":
      return <>{step} sleeps</>;
    case "signal":
      return (
        <>
          {step} waits for the signal <b>{wait.signal}</b>
        </>
      );
    case "retry":
      return (
        <>
          {step} is tried again (attempt {wait.attempt}): {wait.failure?.code}, {wait.failure?.message}; it waits
        </>
      );
    case "run":
      return (
        <>
          {step} waits for the run {wait.run && <Id of={wait.run} to={`/runs/${wait.run}`} />}
        </>
      );
    case "paused":
      return <>The run is paused: somebody has to resume it. It is so</>;
    case "limit":
      return (
        <>
          A limit has not let it begin: number {wait.position} of {wait.waiting} that wait for {wait.limit} of{" "}
          <code>{wait.key || "all"}</code>, of which {wait.allowed} may run (<Link href="/system">limits</Link>)
        </>
      );
  }
}

const APPROVALS = new Set(["signal.approval"]);

/** What is asked: as the step has logged it, where it holds expressions. */
function questionOf(step: Step | undefined, signal: string, log: LogLine[] = []): string | undefined {
  const written = step?.config?.question;
  if (typeof written !== "string") return undefined;
  const end = ` signal=${JSON.stringify(signal)}`;
  const said = log.find(({ message }) => message.endsWith(end))?.message.slice(0, -end.length);
  return written.includes("${") ? (said ?? written) : written;
}

function Send({ run, signal, step, log }: { run: string; signal: string; step?: Step; log?: LogLine[] }) {
  const client = useQueryClient();
  const [error, setError] = useState<unknown>();
  const [sent, setSent] = useState("");
  const question = questionOf(step, signal, log);
  const isApproval = APPROVALS.has(step?.type.split("@")[0] ?? "");
  const send = (body: unknown) =>
    call(`/api/v1/runs/${run}/signals/${encodeURIComponent(signal)}`, "POST", body).then(
      () => {
        setError(undefined);
        setSent(`${signal} was sent.`);
        return client.invalidateQueries();
      },
      (problem) => setError(problem),
    );
  return (
    <>
      {isApproval ? (
        <Suspense>
          {question && <p className="question">{question}</p>}
          <SchemaForm
            schema={approval(step?.config ?? {})}
            look={{ comment: { "ui:widget": "textarea" }, "ui:order": ["decision", "data", "*"] }}
            label={`Send ${signal}`}
            send={(body) => void send(body)}
          />
        </Suspense>
      ) : (
        <Anything label={`Send ${signal}`} send={send} />
      )}
      <p role="status" className="said">
        {sent}
      </p>
      <Trouble error={error} />
    </>
  );
}

function approval(config: Record<string, unknown>): Schema {
  const form = config.form as Schema | undefined;
  return {
    type: "object",
    required: ["decision"],
    properties: {
      decision: { title: "Decision", type: "string", enum: ["approved", "rejected"] },
      by: { type: "string", title: "By" },
      comment: { type: "string", title: "Comment" },
    },
    // A rejection need not fill in the form.
    ...(form && {
      if: { properties: { decision: { const: "approved" } }, required: ["decision"] },
      then: {
        required: ["data"],
        properties: { data: { title: "What has to be filled in", type: "object", default: {}, ...form } },
      },
    }),
  };
}

/** A signal may carry any JSON. */
function Anything({ label, send }: { label: string; send: (body: unknown) => void }) {
  const [text, setText] = useState("{}");
  const [why, setWhy] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        try {
          send(text.trim() ? JSON.parse(text) : null);
          setWhy("");
        } catch (error) {
          setWhy((error as Error).message);
        }
      }}
    >
      <label className="field">
        What it carries, as JSON
        <textarea
          rows={3}
          value={text}
          aria-invalid={!!why}
          spellCheck={false}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      {why && <p className="failed">{why}</p>}
      <button type="submit" className="main">
        {label}
      </button>
    </form>
  );
}
