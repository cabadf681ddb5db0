/** Who changed what, the latest first. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { address, call } from "../../api/client.ts";
import type { AuditEntry, Page } from "../../api/types.ts";
import { Empty, Pill, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

export function Audit() {
  const audit = useInfiniteQuery({
    queryKey: ["audit"],
    initialPageParam: "",
    getNextPageParam: (page: Page<AuditEntry>) => page.next_cursor,
    queryFn: ({ pageParam }) => call<Page<AuditEntry>>(address("/api/v1/audit", { limit: 100, cursor: pageParam })),
  });
  const items = audit.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <Trouble error={audit.error} again={() => audit.refetch()} />
      {audit.data && !items.length && (
        <Empty title="Nothing was changed yet">
          <p>Every request that changes something is written down here before it is carried out.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <div className="scroll" role="region" aria-label="Audit log" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>When</th>
                <th>Who</th>
                <th>What</th>
                <th>Where</th>
                <th>What came of it</th>
              </tr>
            </thead>
            <tbody>
              {items.map((one) => (
                <tr key={one.id}>
                  <td>
                    <Time at={one.at} />
                  </td>
                  <td>
                    {one.actor_name ?? one.actor}
                  </td>
                  <td>
                    <code>{one.action}</code>
                  </td>
                  <td>
                    <code>{one.path}</code> {one.target && <small>{one.target}</small>}
                  </td>
                  <td>
                    {one.status === null ? (
                      <Pill kind="paused">unknown: the process ended</Pill>
                    ) : (
                      <Pill kind={one.status < 400 ? "success" : "failed"}>{one.status}</Pill>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {audit.hasNextPage && (
        <button type="button" onClick={() => void audit.fetchNextPage()}>
          Earlier entries
        </button>
      )}
    </>
  );
}
