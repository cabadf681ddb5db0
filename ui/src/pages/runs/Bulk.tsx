/** Something done to many runs: to those that were ticked, or by a job on the server to all that the filter finds. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, problemOf } from "../../api/client.ts";
import type { Job, Page } from "../../api/types.ts";
import { Act, Dialog } from "../../parts/Act.tsx";
import { Id, Pill, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

const VERBS = ["cancel", "kill", "pause", "resume", "retry"] as const;
type Verb = (typeof VERBS)[number];
/** Requests under way at a time. */
const SIDE_BY_SIDE = 4;

/** Buttons for the runs that were ticked. */
export function Chosen({ chosen, clear }: { chosen: ReadonlySet<string>; clear: () => void }) {
  const [said, setSaid] = useState("");
  const [progress, setProgress] = useState<[number, number]>();
  const client = useQueryClient();
  const all = async (verb: Verb) => {
    const left = [...chosen];
    const count = left.length;
    const refused: string[] = [];
    let done = 0;
    setSaid("");
    setProgress([0, count]);
    const one = async (): Promise<void> => {
      for (let id = left.pop(); id; id = left.pop()) {
        await call(`/api/v1/runs/${id}/${verb}`, "POST", {}).catch((error) => refused.push(problemOf(error).message));
        setProgress([++done, count]);
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, one));
    setProgress(undefined);
    const why = [...new Set(refused)].slice(0, 3).join("; ");
    setSaid(`${verb}: ${count - refused.length} of ${count} done${refused.length ? `, refused: ${why}` : ""}.`);
    clear();
    await client.invalidateQueries();
  };
  return (
    <>
      {chosen.size > 0 && (
        <div className="bar card chosen" role="group" aria-label="Chosen runs">
          <b>{chosen.size} chosen</b>
          {VERBS.map((verb) => (
            <button
              type="button"
              key={verb}
              className={verb === "kill" ? "danger" : ""}
              disabled={!!progress}
              onClick={() => void all(verb)}
            >
              {verb}
            </button>
          ))}
          <button type="button" className="plain" onClick={clear}>
            Choose none
          </button>
          {progress && <progress aria-label="Progress" value={progress[0]} max={progress[1]} />}
        </div>
      )}
      <p role="status" className="said">
        {said}
      </p>
    </>
  );
}

/** A dialog that looks how many runs a job would touch, starts it, and shows how far it is. */
export function BulkJob({ query }: { query: URLSearchParams }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Act on all of these …
      </button>
      {isOpen && (
        <Dialog title="Act on every run that the filter finds" close={() => setOpen(false)}>
          <Steps query={query} />
        </Dialog>
      )}
    </>
  );
}

function filterOf(query: URLSearchParams): Record<string, unknown> {
  const labels = query.getAll("label").map((label): [string, string] => {
    const colon = label.indexOf(":");
    return [label.slice(0, colon), label.slice(colon + 1)];
  });
  return {
    workflow_id: query.get("workflow_id") || undefined,
    status: query.get("status")?.split(",") || undefined,
    labels: labels.length ? Object.fromEntries(labels) : undefined,
    created_from: query.get("created_from") || undefined,
    // A job touches nothing that is triggered after it began; a filter has to say something.
    created_before: query.get("created_before") || new Date().toISOString(),
  };
}

function Steps({ query }: { query: URLSearchParams }) {
  const [verb, setVerb] = useState<Verb>("cancel");
  const [reason, setReason] = useState("");
  const [job, setJob] = useState<string>();
  const [filter] = useState(() => filterOf(query));
  const [error, setError] = useState<unknown>();
  const start = (dry_run: boolean) =>
    call<Job>("/api/v1/jobs", "POST", {
      operation: verb,
      filter,
      dry_run,
      reason: (reason && verb !== "resume" && verb !== "retry" && reason) || undefined,
    }).then(
      (made) => {
        setError(undefined);
        setJob(made.id);
      },
      (problem) => setError(problem),
    );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void start(false);
      }}
    >
      <p>
        The job goes on at the server, whatever becomes of this page. Filter:{" "}
        <code>{JSON.stringify(JSON.parse(JSON.stringify(filter)))}</code>
      </p>
      <div className="bar">
        <label className="field">
          What to do
          <select value={verb} onChange={(event) => setVerb(event.target.value as Verb)}>
            {VERBS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        {verb !== "resume" && verb !== "retry" && (
          <label className="field">
            Reason
            <input value={reason} onChange={(event) => setReason(event.target.value)} />
          </label>
        )}
      </div>
      <div className="bar">
        <button type="button" onClick={() => void start(true)}>
          Only count them
        </button>
        <button type="submit" className={verb === "kill" || verb === "cancel" ? "danger" : "main"}>
          Start: {verb}
        </button>
      </div>
      <Trouble error={error} />
      {job && <JobProgress key={job} id={job} />}
    </form>
  );
}

export function JobProgress({ id }: { id: string }) {
  const job = useQuery({
    queryKey: ["job", id],
    queryFn: () => call<Job>(`/api/v1/jobs/${id}`),
    refetchInterval: (now) => (now.state.data?.status === "running" ? 500 : false),
  });
  if (!job.data) return <Trouble error={job.error} again={() => job.refetch()} />;
  return <JobCard job={job.data} />;
}

function JobCard({ job }: { job: Job }) {
  const over = job.done + job.skipped + job.failed;
  const skipped = Object.entries(job.skipped_because).map(([why, count]) => `${count} because ${why}`);
  return (
    <section className="card job" role="status" aria-label={`Job ${job.operation}`}>
      <div className="bar spread">
        <b>
          {job.dry_run && "Counting for "}
          {job.operation} <Pill kind={job.status}>{job.status}</Pill>
        </b>
        {job.status === "running" && (
          <Act act={() => call(`/api/v1/jobs/${job.id}`, "DELETE")}>Stop the job</Act>
        )}
      </div>
      {job.status === "running" ? (
        <progress aria-label="Progress" />
      ) : (
        <progress aria-label="Progress" value={job.dry_run ? 1 : over} max={job.dry_run ? 1 : Math.max(job.found, 1)} />
      )}
      <p>
        {job.found.toLocaleString()} found
        {!job.dry_run && (
          <>
            , {job.done.toLocaleString()} done, {job.skipped.toLocaleString()} skipped
            {skipped.length > 0 && ` (${skipped.join("; ")})`}, {job.failed.toLocaleString()} failed
          </>
        )}
      </p>
      {job.failures.map((one) => (
        <p key={one.run_id}>
          <Id of={one.run_id} to={`/runs/${one.run_id}`} /> {one.reason}
        </p>
      ))}
    </section>
  );
}

/** The jobs of late, folded. */
export function Jobs() {
  const jobs = useQuery({
    queryKey: ["jobs"],
    queryFn: () => call<Page<Job>>("/api/v1/jobs?limit=10"),
    refetchInterval: 5000,
  });
  if (!jobs.data?.items.length) return null;
  return (
    <details>
      <summary>Jobs of late ({jobs.data.items.length})</summary>
      {jobs.data.items.map((job) => (
        <div key={job.id}>
          <small>
            <Time at={job.created_at} />
          </small>
          <JobCard job={job} />
        </div>
      ))}
    </details>
  );
}
