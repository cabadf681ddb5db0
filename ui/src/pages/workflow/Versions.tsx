/** The versions of a workflow, and how two of them differ. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../../api/client.ts";
import type { Change, Difference, Page, Version, Workflow } from "../../api/types.ts";
import { Act } from "../../parts/Act.tsx";
import { Pill, Time } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";

export function Versions({ id, newest, take }: { id: string; newest: number; take: (definition: Workflow) => void }) {
  const [from, setFrom] = useState(newest - 1);
  const [to, setTo] = useState(newest);
  const versions = useQuery({
    queryKey: ["versions", id, newest],
    queryFn: () => call<Page<Version>>(`/api/v1/workflows/${id}/versions?limit=200`),
  });
  const difference = useQuery({
    queryKey: ["difference", id, from, to],
    enabled: from >= 1 && from !== to,
    queryFn: () => call<Difference>(`/api/v1/workflows/${id}/diff?from=${from}&to=${to}`),
  });
  const items = versions.data?.items ?? [];
  if (newest < 2) return <p>This is the first version. Saving a change makes another; runs under way keep theirs.</p>;
  const pick = (label: string, value: number, set: (version: number) => void) => (
    <label className="field">
      {label}
      <select value={value} onChange={(event) => set(Number(event.target.value))}>
        {items.map((one) => (
          <option key={one.version} value={one.version}>
            version {one.version}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <>
      <Trouble error={versions.error ?? difference.error} again={() => versions.refetch()} />
      <div className="bar">
        {pick("From", from, setFrom)}
        {pick("To", to, setTo)}
        <small>
          version {to} is of <Time at={items.find((one) => one.version === to)?.created_at} />
        </small>
        {to !== newest && (
          <Act act={() => call<Workflow>(`/api/v1/workflows/${id}/versions/${to}`).then(take)}>Put version {to} into the editor</Act>
        )}
      </div>
      {difference.data && <Changes of={difference.data.changes} />}
    </>
  );
}

const WORDS = { added: "new", removed: "gone", changed: "changed", moved: "moved" };

export function Changes({ of }: { of: Change[] }) {
  if (!of.length) return <p>They say the same.</p>;
  const by = new Map<string, Change[]>();
  for (const one of of) by.set(one.step ?? "", [...(by.get(one.step ?? "") ?? []), one]);
  return (
    <div className="changes">
      {[...by].map(([step, changes]) => (
        <section className="card" key={step}>
          <h3>{step ? `Step ${step}` : "The workflow"}</h3>
          {changes.map((one) => (
            <div className="change" key={one.kind + one.path}>
              <Pill kind={one.kind}>{WORDS[one.kind]}</Pill> <code>{one.path}</code>
              <div className="sides">
                {one.before !== undefined && <pre className="before">{show(one.before)}</pre>}
                {one.after !== undefined && <pre className="after">{show(one.after)}</pre>}
              </div>
            </div>
          ))}
        </section>
      ))}
    </div>
  );
}

const show = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
