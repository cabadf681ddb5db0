/** Secrets by name. What they are is never shown: it can only be given anew. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../api/client.ts";
import type { Secret } from "../../api/types.ts";
import { Act, Confirm } from "../../parts/Act.tsx";
import { Empty, Pill, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

export function Secrets() {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const [error, setError] = useState<unknown>();
  const secrets = useQuery({ queryKey: ["secrets"], queryFn: () => call<{ items: Secret[] }>("/api/v1/secrets") });
  const give = async () => {
    try {
      await call(`/api/v1/secrets/${encodeURIComponent(name)}`, "PUT", { value });
      setName("");
      setValue("");
      setError(undefined);
      await client.invalidateQueries({ queryKey: ["secrets"] });
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <>
      <p>A plugin never sees a secret that it is granted: the host puts it into its requests, and sends it only to the hosts that the grant names.</p>
      <form
        className="card bar"
        onSubmit={(event) => {
          event.preventDefault();
          void give();
        }}
      >
        <label className="field">
          Name
          <input required value={name} placeholder="slack-token" onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="field">
          Value
          <input
            required
            type="password"
            autoComplete="off"
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        </label>
        <button type="submit" className="main">
          Keep it
        </button>
      </form>
      <Trouble error={error ?? secrets.error} again={error ? undefined : () => secrets.refetch()} />
      {secrets.data?.items.length === 0 && (
        <Empty title="No secrets yet">
          <p>Give one above, then grant it to a plugin under Plugins.</p>
        </Empty>
      )}
      {!!secrets.data?.items.length && (
        <>
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th>Where</th>
                <th>Given</th>
                <th>Can be read</th>
                <th>Do</th>
              </tr>
            </thead>
            <tbody>
              {secrets.data.items.map((one) => (
                <tr key={one.name}>
                  <td>
                    <code>{one.name}</code>
                  </td>
                  <td>{one.origin}</td>
                  <td>
                    <Time at={one.updated_at} />
                  </td>
                  <td>{one.readable ? "yes" : <Pill kind="failed">this server lacks its key</Pill>}</td>
                  <td>
                    {one.origin === "store" && (
                      <Confirm
                        verb={`Remove ${one.name}`}
                        kind="danger"
                        question="Plugins that need it fail from then on. It cannot be read back."
                        act={() => call(`/api/v1/secrets/${encodeURIComponent(one.name)}`, "DELETE")}
                      >
                        Remove
                      </Confirm>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          <p>
            After the key has been changed: <Act act={() => call("/api/v1/secrets/reseal", "POST")}>Seal all anew</Act>
          </p>
        </>
      )}
    </>
  );
}
