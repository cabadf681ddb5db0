/** A form for the configuration of the chosen step, from its plugin's schema; and a way to add one. */
import { lazy, Suspense } from "react";
import { Link } from "wouter";
import type { Action, Definition, Plugins, Schema, Step } from "../../api/types.ts";
import { type Format, change } from "../../model/document.ts";
import { parts } from "../../model/graph.ts";
import { inline } from "../../parts/Markdown.tsx";
import { actionOf, useCatalogue } from "./catalogue.ts";
import { bySchema } from "./schemas.ts";

const SchemaForm = lazy(() => import("../../parts/SchemaForm.tsx"));
const FIELDS = { "": "steps", "on failure": "on_failure", finally: "finally" } as const;

export function StepForm({
  definition,
  text,
  format,
  chosen,
  choose,
  edit,
}: {
  definition: Definition;
  text: string;
  format: Format;
  chosen?: string;
  choose: (step: string) => void;
  edit: (text: string) => void;
}) {
  const catalogue = useCatalogue().data;
  const all = parts(definition).flatMap(([part, steps]) => steps.map((step) => ({ part, step })));
  const at = all.find(({ step }) => step.name === chosen) ?? all[0];
  return (
    <section aria-label="Steps by form">
      <div className="bar">
        <label className="field">
          Step
          <select value={at?.step.name ?? ""} onChange={(event) => choose(event.target.value)}>
            {all.map(({ part, step }) => (
              <option key={`${part}/${step.name}`} value={step.name}>
                {step.name} ({step.type})
              </option>
            ))}
          </select>
        </label>
        <Add catalogue={catalogue} definition={definition} text={text} format={format} edit={edit} choose={choose} />
      </div>
      {at && (
        <Config
          key={`${at.part}/${at.step.name}/${at.step.type}`}
          step={at.step}
          action={actionOf(at.step.type, catalogue)}
          edit={(config) => {
            const field = FIELDS[at.part as keyof typeof FIELDS];
            const index = (definition[field] as Step[]).findIndex((one) => one?.name === at.step.name);
            edit(change(text, format, [field, index, "config"], config));
          }}
        />
      )}
    </section>
  );
}

function Config({ step, action, edit }: { step: Step; action?: Action; edit: (config: unknown) => void }) {
  if (!action) {
    return (
      <p>
        <code>{step.type}</code> is no connector that this server has: it has no form. The{" "}
        <Link href="/plugins">plugins</Link> say which there are; <code>workflow</code> runs another workflow.
      </p>
    );
  }
  const { schema, left } = bySchema(action.config_schema as Schema, step.config ?? {});
  return (
    <div className="card">
      <p>
        <b>{action.title}</b> {inline(action.description)}
      </p>
      {left.length > 0 && (
        <p>
          <small>
            {left.join(", ")}: with an expression, or of a kind that no form has; edit {left.length > 1 ? "these" : "it"} in the
            text.
          </small>
        </p>
      )}
      <Suspense>
        <SchemaForm
          schema={schema}
          value={step.config ?? {}}
          change={(data) => edit({ ...(data as object) })}
        />
      </Suspense>
    </div>
  );
}

function Add({
  catalogue,
  definition,
  text,
  format,
  edit,
  choose,
}: {
  catalogue?: Plugins;
  definition: Definition;
  text: string;
  format: Format;
  edit: (text: string) => void;
  choose: (step: string) => void;
}) {
  const add = (type: string) => {
    const action = actionOf(type, catalogue);
    const taken = new Set(parts(definition).flatMap(([, steps]) => steps.map((step) => step.name)));
    const base = (type.split(".").at(-1) ?? type).replace(/[^a-z0-9-]/gi, "-");
    let name = base;
    for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
    const step = { name, type, config: action?.examples[0] ?? {} };
    const count = Array.isArray(definition.steps) ? definition.steps.length : 0;
    edit(change(text, format, ["steps", count], step));
    choose(name);
  };
  return (
    <label className="field">
      Add a step
      <select value="" onChange={(event) => event.target.value && add(event.target.value)}>
        <option value="">of a connector …</option>
        {catalogue?.items
          .filter((one) => one.status === "active")
          .flatMap((one) =>
            one.actions.map((action, at) => {
              const type = at === 0 ? one.name : `${one.name}.${action.name}`;
              return (
                <option key={one.digest + type} value={type}>
                  {type} – {action.title}
                </option>
              );
            }),
          )}
      </select>
    </label>
  );
}
