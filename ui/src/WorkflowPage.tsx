import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useLocation } from "wouter";
import { call } from "./api";
import { Do, Json, time, Trouble } from "./parts";
const Graph = lazy(() => import("./Graph"));
const Editor = lazy(() => import("./Editor"));
const SchemaForm = lazy(() => import("./SchemaForm"));
const FIRST = {
  name: "first",
  description: "Waits a second.",
  steps: [
    { name: "nap", type: "delay", config: { duration: 1 } },
    { name: "after", type: "delay", config: { duration: "${nap.duration}" } },
  ],
};

export default function WorkflowPage({ id }: { id: string }) {
  const fresh = id === "new";
  const flow = useQuery({
    queryKey: ["workflow", id],
    enabled: !fresh,
    queryFn: () => call(`/api/v1/workflows/${id}`),
  });
  if (!fresh && !flow.data)
    return (
      <>
        <h1>Workflow</h1>
        <Trouble error={flow.error} again={() => flow.refetch()} />
      </>
    );
  const { uuid: _, version = 0, created_at: __, updated_at: ___, archived_at: ____, ...found } = flow.data ?? FIRST;
  const definition = Object.fromEntries(Object.entries(found).filter(([, value]) => value !== null));
  return <Page key={version} id={fresh ? undefined : id} version={version} definition={definition} />;
}

function Page({ id, version, definition }: { id?: string; version: number; definition: any }) {
  const [, go] = useLocation();
  const [text, setText] = useState(() => JSON.stringify(definition, null, 2));
  const [failed, setFailed] = useState<unknown>();
  const versions = useQuery({
    queryKey: ["versions", id],
    enabled: !!id,
    queryFn: () => call(`/api/v1/workflows/${id}/versions`),
  });
  const diff = useQuery({
    queryKey: ["diff", id, version],
    enabled: version > 1,
    queryFn: () => call(`/api/v1/workflows/${id}/diff?from=${version - 1}&to=${version}`),
  });
  const times = useQuery({
    queryKey: ["schedules", id],
    enabled: !!id,
    queryFn: () => call(`/api/v1/schedules?workflow_id=${id}`),
  });
  let steps: any[] = definition.steps;
  try {
    const typed = JSON.parse(text).steps;
    if (Array.isArray(typed)) steps = typed.filter((one) => typeof one?.name === "string");
  } catch {
    /* The editor says where. */
  }
  const save = async () => {
    const said = await call(
      id ? `/api/v1/workflows/${id}?expected_version=${version}` : "/api/v1/workflows",
      id ? "PUT" : "POST",
      JSON.parse(text),
    );
    if (!id) go(`/workflows/${said.workflow_id}`);
  };
  const start = (payload: unknown) =>
    call("/api/v1/trigger", "POST", { workflow_id: id, payload }).then((said) => go(`/runs/${said.run_id}`), setFailed);
  return (
    <>
      <h1>
        {definition.name} {id && <small>version {version}</small>}
      </h1>
      <div className="bar">
        <Do act={save}>{id ? "Save a new version" : "Create"}</Do>
        {id && !definition.input && <button onClick={() => void start({})}>Run it</button>}
      </div>
      <Trouble error={failed} />
      {id && definition.input && (
        <Suspense>
          <SchemaForm schema={definition.input} send={(data) => void start(data)} label="Run it" />
        </Suspense>
      )}
      <Suspense>
        <Graph steps={steps} />
      </Suspense>
      <h2>Definition</h2>
      <Suspense fallback="…">
        <Editor text={text} change={setText} />
      </Suspense>
      {versions.data && (
        <>
          <h2>Versions</h2>
          <ul>
            {versions.data.items.map((one: any) => (
              <li key={one.version}>
                {one.version} · {time(one.created_at)}
              </li>
            ))}
          </ul>
        </>
      )}
      {diff.data && <Json title={`What changed since version ${version - 1}`} value={diff.data} />}
      {!!times.data?.items.length && (
        <>
          <h2>Next times</h2>
          <ul>
            {times.data.items.map((one: any) => (
              <li key={one.trigger}>
                <code>{one.cron}</code> {one.timezone}: {time(one.next_at)}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
