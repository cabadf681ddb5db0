/** Starting a run: at once, or with an input that is asked for by a form where the workflow says what it takes. */
import { lazy, Suspense, useState } from "react";
import { useLocation } from "wouter";
import { call } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { Dialog } from "../../parts/Act.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

const SchemaForm = lazy(() => import("../../parts/SchemaForm.tsx"));

export function Start({ id, input }: { id: string; input?: Schema | null }) {
  const [, go] = useLocation();
  const [isOpen, setOpen] = useState(false);
  const [error, setError] = useState<unknown>();
  const [labels, setLabels] = useState("");
  const start = async (payload: unknown) => {
    try {
      const body = { workflow_id: id, payload, labels: labelsOf(labels) };
      const { run_id } = await call<{ run_id: string }>("/api/v1/trigger", "POST", body);
      go(`/runs/${run_id}`);
    } catch (problem) {
      setError(problem);
    }
  };
  const label = (
    <label className="field">
      Labels
      <input value={labels} placeholder="customer:7, team:shop" onChange={(event) => setLabels(event.target.value)} />
    </label>
  );
  return (
    <>
      {!input && (
        <button type="button" className="main" onClick={() => void start({})}>
          Run it
        </button>
      )}
      <button type="button" className={input ? "main" : ""} onClick={() => setOpen(true)}>
        {input ? "Run it …" : "Run with …"}
      </button>
      {!isOpen && <Trouble error={error} />}
      {isOpen && (
        <Dialog title="Run it" close={() => setOpen(false)}>
          {input ? (
            <Suspense>
              {label}
              <SchemaForm schema={input} label="Start the run" send={(data) => void start(data)} />
            </Suspense>
          ) : (
            <Anything start={start} refuse={setError}>
              {label}
            </Anything>
          )}
          <Trouble error={error} />
        </Dialog>
      )}
    </>
  );
}

function labelsOf(text: string): Record<string, string> | undefined {
  const pairs = text.split(",").filter((pair) => pair.trim());
  if (!pairs.length) return undefined;
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf(":");
      return [pair.slice(0, at < 0 ? undefined : at).trim(), at < 0 ? "" : pair.slice(at + 1).trim()];
    }),
  );
}

function Anything({
  start,
  refuse,
  children,
}: {
  start: (payload: unknown) => void;
  refuse: (error: unknown) => void;
  children: React.ReactNode;
}) {
  const [text, setText] = useState("{}");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        try {
          start(JSON.parse(text || "{}"));
        } catch (error) {
          refuse(new Error(`The input is no JSON: ${(error as Error).message}`));
        }
      }}
    >
      {children}
      <label className="field">
        Input, a JSON object: expressions read it as <code>payload</code>
        <textarea rows={6} value={text} spellCheck={false} onChange={(event) => setText(event.target.value)} />
      </label>
      <button type="submit" className="main">
        Start the run
      </button>
    </form>
  );
}
