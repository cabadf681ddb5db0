/** Ends of runs that have not arrived at a webhook: what is tried still, what was given up and why, and sending it again. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "wouter";
import { address, call } from "../../api/client.ts";
import type { Delivery, Page } from "../../api/types.ts";
import { quantile, total } from "../../model/metrics.ts";
import { fromNow, span } from "../../model/time.ts";
import { Act, Confirm } from "../../parts/Act.tsx";
import { Json } from "../../parts/Json.tsx";
import { Empty, Id, Loading, Pill, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";
import { type Look, useMetrics } from "./metrics.ts";

const LOOK_EVERY_MS = 5000;
const PAGE = 50;
const STATES = [
  ["", "all"],
  ["pending", "tried again"],
  ["exhausted", "given up"],
] as const;

export function Deliveries() {
  const [query, setQuery] = useSearchParams();
  const webhook = query.get("webhook") ?? "";
  const state = query.get("state") ?? "";
  const run = query.get("run_id") ?? "";
  const { looks } = useMetrics();
  const list = useInfiniteQuery({
    queryKey: ["deliveries", webhook, state, run],
    refetchInterval: LOOK_EVERY_MS,
    initialPageParam: "",
    getNextPageParam: (page: Page<Delivery>) => page.next_cursor,
    queryFn: ({ pageParam }) =>
      call<Page<Delivery>>(address("/api/v1/deliveries", { webhook, state, run_id: run, cursor: pageParam, limit: PAGE })),
  });
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const webhooks = namesOf(looks, [webhook, ...items.map((one) => one.webhook)]);
  const set = (name: string, value: string) =>
    setQuery((now) => {
      const next = new URLSearchParams(now);
      if (value) next.set(name, value);
      else next.delete(name);
      return next;
    });
  return (
    <>
      <p>
        Webhooks are told when a run ends. What has arrived is not listed here; what has not is tried again for as long as{" "}
        <code>events.retry_for</code> says, then given up and kept.
      </p>
      {webhooks.length > 0 && <Standing webhooks={webhooks} looks={looks} />}
      <h2>What has not arrived</h2>
      <search className="bar">
        <div className="bar tabs" role="group" aria-label="State">
          {STATES.map(([one, name]) => (
            <button type="button" key={one} aria-pressed={state === one} onClick={() => set("state", one)}>
              {name}
            </button>
          ))}
        </div>
        <label className="field">
          Webhook
          <select id="filter" value={webhook} onChange={(event) => set("webhook", event.target.value)}>
            <option value="">any</option>
            {webhooks.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        {run && (
          <button type="button" className="plain" onClick={() => set("run_id", "")}>
            Of all runs, not only …{run.slice(-6)}
          </button>
        )}
        {items.some((one) => one.state === "exhausted") && (
          <Confirm
            verb="Send again what was given up"
            kind="main"
            question={`${webhook ? `Everything that ${webhook} was not told` : "Everything that was given up, for every webhook,"} is tried again at once, and then for as long as a new event.`}
            act={() => call(address("/api/v1/deliveries/resend", { webhook }), "POST")}
          >
            Send again what was given up …
          </Confirm>
        )}
      </search>
      <Trouble error={list.error} again={() => list.refetch()} />
      {list.isPending && !list.error && <Loading what="the deliveries" />}
      {list.data && !items.length && <Nothing isFiltered={!!(webhook || state || run)} hasWebhooks={webhooks.length > 0} />}
      {items.length > 0 && <Table items={items} />}
      {list.hasNextPage && (
        <button type="button" onClick={() => void list.fetchNextPage()}>
          More deliveries
        </button>
      )}
    </>
  );
}

/** Those that the server has, whether something is on its way to them or not. */
function namesOf(looks: Look[], more: string[]): string[] {
  const told = looks.at(-1)?.samples.flatMap((one) => (one.name === "millwork_event_deliveries_kept" ? [one.labels.webhook!] : []));
  return [...new Set([...(told ?? []), ...more])].filter((name) => name).sort();
}

/** How each webhook has answered this server. */
function Standing({ webhooks, looks }: { webhooks: string[]; looks: Look[] }) {
  const now = looks.at(-1)?.samples ?? [];
  const count = (webhook: string, result: string) =>
    total(now, "millwork_event_deliveries_total", { webhook, result }).toLocaleString();
  return (
    <>
      <h2>Attempts since this server began</h2>
      <div className="scroll" role="region" aria-label="Attempts" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>Webhook</th>
              <th>Arrived</th>
              <th>Failed, and tried again</th>
              <th>Given up</th>
              <th>Half answered within</th>
            </tr>
          </thead>
          <tbody>
            {webhooks.map((webhook) => {
              const half = quantile(0.5, "millwork_event_delivery_duration_seconds", now, [], { webhook });
              return (
                <tr key={webhook}>
                  <th scope="row">{webhook}</th>
                  <td>{count(webhook, "delivered")}</td>
                  <td>{count(webhook, "failed")}</td>
                  <td>{count(webhook, "exhausted")}</td>
                  <td>{half === null ? "–" : span(half * 1000)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Nothing({ isFiltered, hasWebhooks }: { isFiltered: boolean; hasWebhooks: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="No delivery is like that">
        <Link href="/system/deliveries">Show all deliveries</Link>
      </Empty>
    );
  }
  if (hasWebhooks) {
    return (
      <Empty title="Everything has arrived">
        <p>Each webhook has every event that it was to have. What does not arrive is listed here, with the reason.</p>
      </Empty>
    );
  }
  return (
    <Empty title="Nobody is told yet">
      <p>With a webhook in the configuration, others are told of each run that ends:</p>
      <pre>{`[events.webhooks.shop]
url = "https://shop.example/hooks/millwork"
secrets = [{ env = "SHOP_HOOK" }]`}</pre>
    </Empty>
  );
}

const next = (at: string) => (Date.parse(at) > Date.now() ? fromNow(at) : "now");

function Table({ items }: { items: Delivery[] }) {
  return (
    <div className="scroll" role="region" aria-label="Deliveries" tabIndex={0}>
      <table className="deliveries">
        <thead>
          <tr>
            <th>Webhook</th>
            <th>Run</th>
            <th>What</th>
            <th>State</th>
            <th>Attempts</th>
            <th>Last failure</th>
            <th>Next</th>
            <th>Do</th>
          </tr>
        </thead>
        <tbody>
          {items.map((one) => (
            <tr key={one.id}>
              <td>{one.webhook}</td>
              <td>
                <Id of={one.run_id} to={`/runs/${one.run_id}`} />
                <br />
                <small>
                  ended <Time at={one.created_at} />
                </small>
              </td>
              <td>
                <code>{String(one.event?.type ?? "")}</code>
                <Json title="Event" value={one.event} />
              </td>
              <td>
                <Pill kind={one.state === "exhausted" ? "failed" : "paused"}>{one.state === "exhausted" ? "given up" : "tried again"}</Pill>
              </td>
              <td>{one.attempts}</td>
              <td className="failed">{one.failure ?? "none yet"}</td>
              <td>{one.next_attempt_at ? next(one.next_attempt_at) : "never"}</td>
              <td>
                <Act act={() => call(`/api/v1/deliveries/${one.id}/resend`, "POST")}>Send again</Act>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
