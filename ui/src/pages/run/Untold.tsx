/** Which webhooks have not been told that a run has ended. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { call } from "../../api/client.ts";
import type { Delivery, Page } from "../../api/types.ts";

export function Untold({ run }: { run: string }) {
  const list = useQuery({
    queryKey: ["deliveries of", run],
    queryFn: () => call<Page<Delivery>>(`/api/v1/deliveries?run_id=${run}`),
    // Those that are tried again arrive in time; nothing is asked where all has.
    refetchInterval: (now) => (now.state.data?.items.length ? 5000 : false),
  });
  // The first attempt is made at once: what waits for it is no news.
  const items = list.data?.items.filter((one) => one.attempts > 0) ?? [];
  if (!items.length) return null;
  return (
    <section className="card waiting-for" aria-label="Who was not told">
      {items.map((one) => (
        <p key={one.id}>
          <b>{one.webhook}</b> has not been told that the run has ended: {one.failure}.{" "}
          {one.state === "exhausted" ? "It was given up." : "It is tried again."}
        </p>
      ))}
      <Link href={`/system/deliveries?run_id=${run}`}>Deliveries of this run</Link>
    </section>
  );
}
