/** What starts runs of a workflow when nobody asks, and when next. */
import { useQuery } from "@tanstack/react-query";
import { call } from "../../api/client.ts";
import type { Page, Schedule } from "../../api/types.ts";
import { fromNow } from "../../model/time.ts";
import { Pill, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

export function Triggers({ id, of }: { id: string; of: Record<string, unknown>[] }) {
  const schedules = useQuery({
    queryKey: ["schedules", id],
    enabled: of.some((one) => one.type === "schedule"),
    refetchInterval: 10_000,
    queryFn: () => call<Page<Schedule>>(`/api/v1/schedules?workflow_id=${id}&limit=200`),
  });
  if (!of.length) {
    return (
      <p>
        Only who asks starts a run. With <code>triggers</code> the clock (<code>schedule</code>), a signed request (
        <code>webhook</code>) or a message (<code>kafka</code>) does.
      </p>
    );
  }
  const next = new Map(schedules.data?.items.map((one) => [one.trigger, one]));
  return (
    <>
      <Trouble error={schedules.error} again={() => schedules.refetch()} />
      <table>
        <thead>
          <tr>
            <th>Kind</th>
            <th>Where or when</th>
            <th>Next</th>
          </tr>
        </thead>
        <tbody>
          {of.map((one, at) => {
            const schedule = next.get(at);
            return (
              <tr key={at}>
                <td>
                  <Pill>{String(one.type)}</Pill>
                </td>
                <td>
                  <code>{String(one.cron ?? (one.path ? `POST /hooks/${one.path}` : (one.topic ?? "")))}</code>{" "}
                  {schedule?.timezone ?? String(one.timezone ?? "")}
                </td>
                <td>
                  {schedule?.next_at ? (
                    <>
                      <Time at={schedule.next_at} /> ({fromNow(schedule.next_at)})
                    </>
                  ) : (
                    "when it comes"
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}
