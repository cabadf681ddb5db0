/** What the plugins of a run said. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { address, call } from "../../api/client.ts";
import type { Page, RunLogLine } from "../../api/types.ts";
import { Trouble } from "../../parts/Trouble.tsx";

const LEVELS = ["trace", "debug", "info", "warn", "error"];

export function Log({ id, steps }: { id: string; steps: string[] }) {
  const [step, setStep] = useState("");
  const [level, setLevel] = useState("");
  const log = useInfiniteQuery({
    queryKey: ["log", id, step, level],
    initialPageParam: "",
    getNextPageParam: (page: Page<RunLogLine>) => page.next_cursor,
    queryFn: ({ pageParam }) =>
      call<Page<RunLogLine>>(address(`/api/v1/runs/${id}/logs`, { limit: 200, cursor: pageParam, step, level })),
  });
  const lines = log.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <div className="bar">
        <label className="field">
          Step
          <select value={step} onChange={(event) => setStep(event.target.value)}>
            <option value="">all</option>
            {steps.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label className="field">
          Level
          <select value={level} onChange={(event) => setLevel(event.target.value)}>
            <option value="">all</option>
            {LEVELS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      </div>
      <Trouble error={log.error} again={() => log.refetch()} />
      {lines.length ? (
        <div className="log" role="log" aria-label="Log" tabIndex={0}>
          {lines.map((line, at) => (
            <div key={at} className={line.level}>
              <time dateTime={line.at}>{line.at.slice(11, 23)}</time> <b>{line.level}</b>{" "}
              <span className="who">
                {line.step}
                {line.iteration !== undefined && `[${line.iteration}]`}
              </span>{" "}
              {line.message}
            </div>
          ))}
        </div>
      ) : (
        <p>The plugins have said nothing{(step || level) && " of this"}.</p>
      )}
      {log.hasNextPage && (
        <button type="button" onClick={() => void log.fetchNextPage()}>
          More lines
        </button>
      )}
    </>
  );
}
