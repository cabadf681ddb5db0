/** The metrics of this server, looked at again and again while a page shows them; the last ten minutes are kept until the console is left. */
import { useQuery } from "@tanstack/react-query";
import { text } from "../../api/client.ts";
import { parse, type Sample } from "../../model/metrics.ts";

export type Look = { at: number; samples: Sample[] };
export type Metrics = { looks: Look[]; error: unknown; again: () => void };

const LOOK_EVERY_MS = 2000;
const KEPT = 300;
let looks: Look[] = [];

export function useMetrics(): Metrics {
  const metrics = useQuery({
    queryKey: ["metrics"],
    refetchInterval: LOOK_EVERY_MS,
    queryFn: async () => {
      const samples = parse(await text("/metrics"));
      looks = [...looks, { at: Date.now(), samples }].slice(-KEPT);
      return looks;
    },
  });
  return { looks: metrics.data ?? looks, error: metrics.error, again: () => void metrics.refetch() };
}
