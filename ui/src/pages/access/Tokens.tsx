/** Tokens of the API: making one, which is shown once, and revoking. */
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { address, call } from "../../api/client.ts";
import type { Page, Token } from "../../api/types.ts";
import { Confirm, Dialog } from "../../parts/Act.tsx";
import { Empty, Pill, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

const SCOPES: Record<string, string> = {
  read: "see everything but secrets",
  trigger: "start runs and send signals",
  write: "change workflows and runs",
  admin: "everything, with plugins, secrets and tokens",
};

export function Tokens() {
  const tokens = useInfiniteQuery({
    queryKey: ["tokens"],
    initialPageParam: "",
    getNextPageParam: (page: Page<Token>) => page.next_cursor,
    queryFn: ({ pageParam }) => call<Page<Token>>(address("/api/v1/tokens", { cursor: pageParam })),
  });
  const items = tokens.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <Make />
      <Trouble error={tokens.error} again={() => tokens.refetch()} />
      {tokens.data && !items.length && (
        <Empty title="No tokens yet">
          <p>While the API asks for none, whoever reaches it may do everything; so it listens on this machine alone.</p>
        </Empty>
      )}
      {items.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Name</th>
              <th>May</th>
              <th>Made</th>
              <th>Ends</th>
              <th>Do</th>
            </tr>
          </thead>
          <tbody>
            {items.map((one) => (
              <tr key={one.id}>
                <td>{one.name}</td>
                <td>
                  {one.scopes.map((scope) => (
                    <Pill key={scope}>{scope}</Pill>
                  ))}
                </td>
                <td>
                  <Time at={one.created_at} />
                </td>
                <td>{one.expires_at ? <Time at={one.expires_at} /> : "never"}</td>
                <td>
                  {one.revoked_at ? (
                    <>
                      <Pill kind="failed">revoked</Pill> <Time at={one.revoked_at} />
                    </>
                  ) : (
                    <Confirm
                      verb={`Revoke ${one.name}`}
                      kind="danger"
                      question="Whoever uses it is refused at once, and it cannot be taken back."
                      act={() => call(`/api/v1/tokens/${one.id}`, "DELETE")}
                    >
                      Revoke
                    </Confirm>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {tokens.hasNextPage && (
        <button type="button" onClick={() => void tokens.fetchNextPage()}>
          More tokens
        </button>
      )}
    </>
  );
}

function Make() {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState(["read"]);
  const [ends, setEnds] = useState("90d");
  const [made, setMade] = useState("");
  const [error, setError] = useState<unknown>();
  const make = async () => {
    try {
      const token = await call<{ bearer: string }>("/api/v1/tokens", "POST", { name, scopes, expires_in: ends || null });
      setMade(token.bearer);
      setError(undefined);
      setName("");
      await client.invalidateQueries({ queryKey: ["tokens"] });
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form
      className="card"
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <div className="bar">
        <label className="field">
          What it is for
          <input required value={name} placeholder="shop" onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="field">
          Ends after
          <input value={ends} placeholder="never" onChange={(event) => setEnds(event.target.value)} />
        </label>
        <fieldset className="bar">
          <legend>May</legend>
          {Object.entries(SCOPES).map(([scope, what]) => (
            <label className="check" key={scope} title={what}>
              <input
                type="checkbox"
                checked={scopes.includes(scope)}
                onChange={(event) =>
                  setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))
                }
              />{" "}
              {scope}
            </label>
          ))}
        </fieldset>
        <button type="submit" className="main" disabled={!scopes.length}>
          Make a token
        </button>
      </div>
      <Trouble error={error} />
      {made && (
        <Dialog title="The token" close={() => setMade("")}>
          <p>It is shown this once and kept nowhere. Send it as a header:</p>
          <pre tabIndex={0} aria-label="The token">
            Authorization: Bearer {made}
          </pre>
          <div className="bar end">
            <button type="button" onClick={() => void navigator.clipboard?.writeText(made)}>
              Copy the token
            </button>
            <button type="button" className="main" onClick={() => setMade("")}>
              I have it
            </button>
          </div>
        </Dialog>
      )}
    </form>
  );
}
