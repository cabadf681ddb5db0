/** One workflow: its definition as it is typed, with graph and forms; versions, triggers, runs. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { call } from "../api/client.ts";
import type { Definition, Page, RunItem, Workflow } from "../api/types.ts";
import { definitionIn, type Format, read, write } from "../model/document.ts";
import { took } from "../model/time.ts";
import { Act, Confirm } from "../parts/Act.tsx";
import { Id, Loading, Pill, State, Time } from "../parts/small.tsx";
import { Faults, Trouble } from "../parts/Trouble.tsx";
import type { Verdict } from "./workflow/Editor.tsx";
import { EXAMPLES } from "./workflow/examples.ts";
import { Start } from "./workflow/Start.tsx";
import { StepForm } from "./workflow/StepForm.tsx";
import { Triggers } from "./workflow/Triggers.tsx";
import { Versions } from "./workflow/Versions.tsx";

const Graph = lazy(() => import("../parts/Graph.tsx"));
const Editor = lazy(() => import("./workflow/Editor.tsx"));

export default function WorkflowPage({ id }: { id: string }) {
  const [query] = useSearchParams();
  const isNew = id === "new";
  const read = useQuery({
    queryKey: ["workflow", id],
    enabled: !isNew,
    queryFn: () => call<Workflow>(`/api/v1/workflows/${id}`),
  });
  if (isNew) {
    const example = EXAMPLES.find((one) => one.key === query.get("from")) ?? EXAMPLES[0]!;
    return <Open key={example.key} definition={example.definition} />;
  }
  if (!read.data) {
    return (
      <>
        <h1>Workflow</h1>
        {read.error ? (
          <>
            <Trouble error={read.error} again={() => read.refetch()} />
            <Link href="/workflows">All workflows</Link>
          </>
        ) : (
          <Loading what="the workflow" />
        )}
      </>
    );
  }
  return <Open key={`${id}/${read.data.version}`} workflow={read.data} definition={written(read.data)} />;
}

/** The definition as somebody wrote it: without what the server knows beside it. */
function written(workflow: Workflow): Definition {
  const { uuid: _, version: _v, created_at: _c, updated_at: _u, archived_at: _a, ...definition } = workflow;
  return Object.fromEntries(Object.entries(definition).filter(([, value]) => value !== null)) as Definition;
}

const FORMAT = "millwork-format";

function Open({ workflow, definition }: { workflow?: Workflow; definition: Definition }) {
  const id = workflow?.uuid;
  const version = workflow?.version ?? 0;
  const [, go] = useLocation();
  const client = useQueryClient();
  const [format, setFormat] = useState<Format>(() => (localStorage.getItem(FORMAT) === "json" ? "json" : "yaml"));
  const [text, setText] = useState(() => write(definition, format));
  const [start] = useState(text);
  const [verdict, setVerdict] = useState<Verdict>({ isChecked: false, faults: [] });
  const [chosen, setChosen] = useState<string>();
  const [error, setError] = useState<unknown>();
  const [shown, setShown] = useState(definition);
  // While a text is no definition, the last one that was is shown.
  const typed = definitionIn(text, format);
  if (typed && JSON.stringify(typed) !== JSON.stringify(shown)) setShown(typed);
  const isChanged = text !== start;

  const save = async () => {
    const { value, fault } = read(text, format);
    if (fault) return setError(new Error(`The text cannot be read: ${fault.message}`));
    try {
      const saved = await call<{ workflow_id: string }>(
        id ? `/api/v1/workflows/${id}?expected_version=${version}` : "/api/v1/workflows",
        id ? "PUT" : "POST",
        value,
      );
      setError(undefined);
      await client.invalidateQueries();
      if (!id) go(`/workflows/${saved.workflow_id}`);
    } catch (problem) {
      setError(problem);
    }
  };
  const turn = (to: Format) => {
    localStorage.setItem(FORMAT, to);
    const { value, fault } = read(text, format);
    if (fault) return setError(new Error(`Only a text that can be read is written in ${to}: ${fault.message}`));
    setError(undefined);
    setText(write(value, to));
    setFormat(to);
  };
  return (
    <>
      <div className="bar spread">
        <h1>
          {shown.name || "Workflow"} {id && <small>version {version}</small>}
          {workflow?.archived_at && <Pill kind="paused">set aside</Pill>}
        </h1>
        <div className="bar">
          <button type="button" className={isChanged || !id ? "main" : ""} disabled={!!id && !isChanged} onClick={() => void save()}>
            {id ? "Save a new version" : "Create"}
          </button>
          {id && <Start id={id} input={definition.input} />}
          {id && <PutAway id={id} isArchived={!!workflow?.archived_at} gone={() => go("/workflows")} />}
        </div>
      </div>
      {typeof shown.description === "string" && <p className="dim">{shown.description}</p>}
      <Trouble error={error} />
      <Suspense fallback={<div className="graph" />}>
        <Graph definition={shown} chosen={chosen} choose={setChosen} />
      </Suspense>
      <div className="columns">
        <section>
          <div className="bar spread">
            <h2>Definition</h2>
            <div className="bar tabs" role="group" aria-label="Format">
              {(["yaml", "json"] as const).map((one) => (
                <button type="button" key={one} aria-pressed={format === one} onClick={() => turn(one)}>
                  {one.toUpperCase()}
                </button>
              ))}
            </div>
          </div>
          <Suspense fallback={<div className="editor" />}>
            <Editor text={text} format={format} change={setText} verdict={setVerdict} save={() => void save()} />
          </Suspense>
          <div role="status" className="verdict">
            {!verdict.isChecked ? (
              <span className="dim">not checked{verdict.why ? `: ${verdict.why}` : " yet"}</span>
            ) : verdict.faults.length ? (
              <>
                <b className="failed">
                  {verdict.faults.length === 1 ? "One thing is" : `${verdict.faults.length} things are`} wrong:
                </b>
                <Faults of={verdict.faults.slice(0, 10)} />
              </>
            ) : (
              <span className="success">✓ the server would take this</span>
            )}
          </div>
        </section>
        <section>
          <h2>Step by form</h2>
          <StepForm
            definition={shown}
            text={text}
            format={format}
            chosen={chosen}
            choose={setChosen}
            edit={(next) => setText(next)}
          />
        </section>
      </div>
      {id && (
        <>
          <h2>Triggers</h2>
          <Triggers id={id} of={definition.triggers ?? []} />
          <h2>Versions</h2>
          <Versions id={id} newest={version} take={(taken) => setText(write(written(taken), format))} />
          <h2>Runs</h2>
          <LastRuns id={id} />
        </>
      )}
    </>
  );
}

function PutAway({ id, isArchived, gone }: { id: string; isArchived: boolean; gone: () => void }) {
  const path = `/api/v1/workflows/${id}`;
  return (
    <>
      {isArchived ? (
        <Act act={() => call(`${path}/restore`, "POST")}>Take it back</Act>
      ) : (
        <Confirm
          verb="Set it aside"
          question="It takes no new runs until it is taken back. Runs under way go on."
          act={() => call(`${path}?archive=true`, "DELETE")}
        >
          Set aside
        </Confirm>
      )}
      <Confirm
        verb="Delete the workflow"
        kind="danger"
        question="It is gone for good, which the server refuses while a run of it is under way. Runs that have ended stay as long as they are kept."
        act={() => call(path, "DELETE").then(gone)}
      >
        Delete
      </Confirm>
    </>
  );
}

function LastRuns({ id }: { id: string }) {
  const runs = useQuery({
    queryKey: ["runs of", id, "last"],
    refetchInterval: 5000,
    queryFn: () => call<Page<RunItem>>(`/api/v1/runs?workflow_id=${id}&limit=10`),
  });
  if (!runs.data) return <Trouble error={runs.error} again={() => runs.refetch()} />;
  if (!runs.data.items.length) return <p>It has not run yet. “Run it” above starts a run and shows it live.</p>;
  return (
    <>
      <table>
        <tbody>
          {runs.data.items.map((run) => (
            <tr key={run.id}>
              <td>
                <State of={run.status} />
              </td>
              <td>
                <Id of={run.id} to={`/runs/${run.id}`} />
              </td>
              <td>
                <Time at={run.created_at} />
              </td>
              <td>{took(run.started_at, run.completed_at)}</td>
              <td className="failed">{run.error}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Link href={`/runs?workflow_id=${id}`}>All its runs</Link>
    </>
  );
}
