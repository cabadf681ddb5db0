/** A plugin with its versions: what it does, how it fares, what it may do. */
import { useState } from "react";
import { call } from "../../api/client.ts";
import type { Action, Plugin } from "../../api/types.ts";
import { quantile, total } from "../../model/metrics.ts";
import { bytes, span } from "../../model/time.ts";
import { Act, Confirm } from "../../parts/Act.tsx";
import { Json } from "../../parts/Json.tsx";
import { inline } from "../../parts/Markdown.tsx";
import { Pill } from "../../parts/small.tsx";
import type { Look } from "../system/metrics.ts";
import { Grants } from "./Grants.tsx";

export function PluginCard({ versions, metrics }: { versions: Plugin[]; metrics: Look[] }) {
  const newest = versions[0]!;
  const { name } = newest;
  const isBundled = newest.origin === "bundled";
  const more = newest.asks_more;
  return (
    <section className="card plugin" aria-labelledby={`plugin-${name}`}>
      <div className="bar spread">
        <h2 id={`plugin-${name}`}>
          {name} <small>{newest.version}</small>
        </h2>
        <span className="bar">
          <Pill kind={newest.status}>{newest.status}</Pill>
          <Pill kind={newest.pure ? "success" : ""}>{newest.pure ? "pure: cannot act on the world" : "acts on the world"}</Pill>
          <Pill>{bytes(newest.size_bytes)}</Pill>
          <Pill>{isBundled ? "bundled" : "installed"}</Pill>
          {newest.signed_by && <Pill kind="success">signed by {newest.signed_by}</Pill>}
        </span>
      </div>
      <p>{newest.description}</p>
      <Health plugin={name} metrics={metrics} />
      {newest.status === "awaiting-consent" && (
        <div className="card problem" role="alert">
          <p>
            Version {newest.version} asks for more than was agreed to, and is not used before somebody agrees:
          </p>
          <AskList asks={newest.asks} more={more} gone={versions[1]?.asks.filter((ask) => !newest.asks.includes(ask))} />
          <Act kind="main" act={() => call(`/api/v1/plugins/${name}/agree`, "POST")}>
            Agree to {more.length === 1 ? "this" : "these"}
          </Act>
        </div>
      )}
      {(newest.asks.length > 0 || !isBundled) && <Grants key={JSON.stringify(newest.grants)} plugin={newest} />}
      <h3>Actions</h3>
      {newest.actions.map((action, at) => (
        <ActionView key={action.name} action={action} type={at === 0 ? name : `${name}.${action.name}`} />
      ))}
      {!isBundled && (
        <div className="bar">
          {newest.status === "disabled" ? (
            <Act act={() => call(`/api/v1/plugins/${name}/enable`, "POST")}>Enable</Act>
          ) : (
            <Confirm
              verb="Disable"
              question={`New runs may not use ${name} any more. Runs under way keep it.`}
              act={() => call(`/api/v1/plugins/${name}/disable`, "POST")}
            >
              Disable
            </Confirm>
          )}
          {versions.map((one) => (
            <Confirm
              key={one.version}
              verb={`Remove ${one.version}`}
              kind="danger"
              question={`Version ${one.version} of ${name} is not offered any more. The server refuses it while a run that has not ended needs it.`}
              act={() => call(`/api/v1/plugins/${name}/${one.version}`, "DELETE")}
            >
              Remove {one.version}
            </Confirm>
          ))}
        </div>
      )}
      {versions.length > 1 && <Older versions={versions} />}
    </section>
  );
}

/** What each version asks for, and what that changes. */
function Older({ versions }: { versions: Plugin[] }) {
  return (
    <details>
      <summary>{versions.length} versions, and how what they ask for differs</summary>
      <ul>
        {versions.map((one, at) => {
          const before = versions[at + 1];
          const added = one.asks.filter((ask) => !before?.asks.includes(ask));
          const gone = before?.asks.filter((ask) => !one.asks.includes(ask)) ?? [];
          return (
            <li key={one.digest}>
              <b>{one.version}</b> <code title={one.digest}>{one.digest.slice(0, 12)}</code> {bytes(one.size_bytes)}
              {before && !added.length && !gone.length && <> asks for the same as {before.version}</>}
              {before && <AskList asks={[]} more={added} gone={gone} />}
            </li>
          );
        })}
      </ul>
    </details>
  );
}

export function AskList({ asks, more, gone = [] }: { asks: string[]; more: string[]; gone?: string[] }) {
  return (
    <ul className="asks">
      {[...new Set([...more, ...asks])].map((ask) => (
        <li key={ask}>
          {more.includes(ask) ? <Pill kind="added">new</Pill> : <Pill>as before</Pill>} <code>{ask}</code>
        </li>
      ))}
      {gone.map((ask) => (
        <li key={ask}>
          <Pill kind="removed">gone</Pill> <code>{ask}</code>
        </li>
      ))}
    </ul>
  );
}

function Health({ plugin, metrics }: { plugin: string; metrics: Look[] }) {
  const now = metrics.at(-1)?.samples;
  if (!now) return null;
  const calls = total(now, "millwork_plugin_calls_total", { plugin });
  if (!calls) return <p className="dim">Not called since this server began.</p>;
  const failed = total(now, "millwork_plugin_calls_total", { plugin, result: "failed" });
  const suspended = total(now, "millwork_plugin_calls_total", { plugin, result: "suspended" });
  const at = (part: number) => quantile(part, "millwork_plugin_call_duration_seconds", now, [], { plugin });
  const [half, most] = [at(0.5), at(0.99)];
  return (
    <dl className="figures">
      <Figure name="calls" value={calls.toLocaleString()} />
      <Figure name="failed" value={`${failed.toLocaleString()} (${((100 * failed) / calls).toFixed(1)} %)`} bad={failed > 0} />
      <Figure name="went to wait" value={suspended.toLocaleString()} />
      {half !== null && <Figure name="half took at most" value={span(half * 1000)} />}
      {most !== null && <Figure name="99 of 100 at most" value={span(most * 1000)} />}
    </dl>
  );
}

export function Figure({ name, value, bad }: { name: string; value: string; bad?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={bad ? "failed" : ""}>{value}</dd>
    </div>
  );
}

function ActionView({ action, type }: { action: Action; type: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="action" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <code>{type}</code> {action.title}
        {action.read_only && <Pill>changes nothing</Pill>}
        {action.idempotent && <Pill>twice is as once</Pill>}
        {action.destructive && <Pill kind="failed">may destroy</Pill>}
      </summary>
      {isOpen && (
        <>
          <p>{inline(action.description)}</p>
          {action.timeout_ms !== null && <p>An attempt may take {span(action.timeout_ms)} where the step does not say.</p>}
          {action.examples.map((example, at) => (
            <Json key={at} title={at === 0 ? "Example" : `Example ${at + 1}`} value={{ name: action.name, type, config: example }} />
          ))}
          <Json title="Schema of the configuration" value={action.config_schema} />
          <Json title="Schema of the output" value={action.output_schema} />
        </>
      )}
    </details>
  );
}
