/** What a plugin asks for beside what it is granted, and a form to change that. */
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { call } from "../../api/client.ts";
import type { Plugin, Schema } from "../../api/types.ts";
import { Pill } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";
import { grantFor } from "./grant.ts";

const SchemaForm = lazy(() => import("../../parts/SchemaForm.tsx"));

const texts = (title: string, description: string): Schema => ({ type: "array", title, description, items: { type: "string" } });
const pairs = (title: string, description: string, value: Schema): Schema => ({
  type: "object",
  title,
  description,
  additionalProperties: value,
});

const GRANT: Schema = {
  type: "object",
  properties: {
    http: texts("Requests to", "https://slack.com, https://*.example.com:8443, GET,HEAD https://example.com, or * for anywhere"),
    private_networks: texts("Addresses besides public ones", "loopback, private, or a network such as 10.1.0.0/16"),
    kv: { type: "boolean", title: "Small values kept between calls" },
    secrets: pairs("Secrets put into its requests, unseen", "the name of the secret, and the hosts that it may be sent to", {
      type: "array",
      items: { type: "string" },
    }),
    reveal: texts("Secrets that it may see", "names of secrets"),
    directories: pairs("Directories", "by the name that it asks for: what the configuration offers, such as write reports", {
      type: "string",
    }),
    variables: pairs("Variables", "by the name that it asks for: what the configuration offers", { type: "string" }),
  },
};

export function Grants({ plugin }: { plugin: Plugin }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<Record<string, unknown>>();
  const [error, setError] = useState<unknown>();
  const save = async (grant: unknown) => {
    try {
      await call(`/api/v1/plugins/${plugin.name}/grants`, "PUT", grant);
      setError(undefined);
      setDraft(undefined);
      await client.invalidateQueries();
    } catch (problem) {
      setError(problem);
    }
  };
  const { missing_grants: missing } = plugin;
  return (
    <div>
      <h3>What it may do</h3>
      {plugin.asks.length === 0 ? (
        <p>It asks for nothing.</p>
      ) : (
        <ul className="asks">
          {plugin.asks.map((ask) => (
            <li key={ask}>
              {missing.includes(ask) ? <Pill kind="failed">not granted</Pill> : <Pill kind="success">granted</Pill>}{" "}
              <code>{ask}</code>
            </li>
          ))}
        </ul>
      )}
      {plugin.granted_by_configuration ? (
        <p>The configuration says what it is granted; that is changed there.</p>
      ) : (
        !draft && (
          <div className="bar">
            {missing.length > 0 && (
              <button type="button" className="main" onClick={() => setDraft(grantFor(plugin.asks, plugin.grants))}>
                Grant what it asks for …
              </button>
            )}
            <button type="button" onClick={() => setDraft(plugin.grants)}>
              Change what it is granted …
            </button>
          </div>
        )
      )}
      {draft && (
        <div className="card">
          <p>Look at each line before you grant it: this is all that the plugin will be able to reach.</p>
          <Suspense>
            <SchemaForm schema={GRANT} value={draft} change={(data) => setDraft(data as Record<string, unknown>)} label="Grant this" send={(data) => void save(clean(data))}>
              <button type="button" onClick={() => setDraft(undefined)}>
                Leave it
              </button>
            </SchemaForm>
          </Suspense>
          <Trouble error={error} />
        </div>
      )}
    </div>
  );
}

/** Without what says nothing. */
function clean(data: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(data as object).filter(([, value]) =>
      typeof value === "object" && value !== null ? Object.keys(value).length > 0 : value !== undefined && value !== false,
    ),
  );
}
