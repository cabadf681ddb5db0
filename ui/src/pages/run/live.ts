/** A run with its events as they happen. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { call } from "../../api/client.ts";
import { follow } from "../../api/follow.ts";
import type { Run, RunEvent, Workflow } from "../../api/types.ts";
import { fold } from "../../model/events.ts";

/** How long events are gathered before the run is read again. */
const GATHER_MS = 200;
const LOOK_EVERY_MS = 5000;

export function useRun(id: string) {
  return useQuery({
    queryKey: ["run", id],
    queryFn: () => call<Run>(`/api/v1/runs/${id}`),
    // The events tell of changes; this is for what no event tells, as a place in a queue.
    refetchInterval: (now) => (now.state.data?.completed_at ? false : LOOK_EVERY_MS),
  });
}

export function useDefinition(run?: Pick<Run, "workflow_id" | "workflow_version">) {
  return useQuery({
    queryKey: ["version", run?.workflow_id, run?.workflow_version],
    enabled: !!run,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => call<Workflow>(`/api/v1/workflows/${run?.workflow_id}/versions/${run?.workflow_version}`),
  });
}

/** `round` changes where a run that had ended goes on: it is followed again. */
export function useEvents(id: string, round: number): { events: RunEvent[]; isLive: boolean } {
  const client = useQueryClient();
  const [events, setEvents] = useState<RunEvent[]>([]);
  const [isLive, setLive] = useState(true);
  useEffect(() => {
    const stop = new AbortController();
    let due: ReturnType<typeof setTimeout> | undefined;
    void follow(
      id,
      (more) => {
        setEvents((now) => fold(now, more));
        due ??= setTimeout(() => {
          due = undefined;
          void client.invalidateQueries({ queryKey: ["run", id] });
          void client.invalidateQueries({ queryKey: ["log", id] });
        }, GATHER_MS);
      },
      setLive,
      stop.signal,
    );
    return () => {
      stop.abort();
      clearTimeout(due);
    };
  }, [id, round, client]);
  return { events, isLive };
}
