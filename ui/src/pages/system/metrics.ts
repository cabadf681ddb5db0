/** The metrics of this server, looked at again and again; the last ten minutes are kept while the console is open. */
import { useQuery } from "@tanstack/react-query";
import { text } from "../../api/client.ts";
import { parse, type Sample } from "../../model/metrics.ts";

export type Look = { at: number; samples: Sample[] };

const LOOK_EVERY_MS = 2000;
const KEPT = 300;
let looks: Look[] = [];

export function useMetrics(): Look[] {
  const metrics = useQuery({
    queryKey: ["metrics"],
    refetchInterval: LOOK_EVERY_MS,
    queryFn: async () => {
      const samples = parse(await text("/metrics"));
      looks = [...looks, { at: Date.now(), samples }].slice(-KEPT);
      return looks;
    },
  });
  return metrics.data ?? looks;
}
