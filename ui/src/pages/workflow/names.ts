/** What workflows are called, by their identifiers: the first two hundred. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { call } from "../../api/client.ts";
import type { Page, WorkflowItem } from "../../api/types.ts";

export function useNames(): Map<string, string> {
  const workflows = useQuery({
    queryKey: ["workflows", "names"],
    queryFn: () => call<Page<WorkflowItem>>("/api/v1/workflows?limit=200"),
    staleTime: 30_000,
  });
  const { data } = workflows;
  return useMemo(() => new Map(data?.items.map((one) => [one.uuid, one.name])), [data]);
}
