/** A form made from a JSON Schema. */
import Form from "@rjsf/core";
import type { DescriptionFieldProps, MultiSchemaFieldTemplateProps, RJSFSchema, UiSchema } from "@rjsf/utils";
import { type ReactNode, useMemo, useState } from "react";
import type { Schema } from "../api/types.ts";
import { inline } from "./Markdown.tsx";
import { validator } from "./validator.ts";

/** Descriptions may name things in backticks. */
function Description({ id, description }: DescriptionFieldProps) {
  if (!description) return null;
  return (
    <p id={id} className="field-description">
      {typeof description === "string" ? inline(description) : description}
    </p>
  );
}

/** Which of several shapes a value has. */
function Choice({ selector, optionSchemaField }: MultiSchemaFieldTemplateProps) {
  return (
    <>
      <label>
        Which of these
        {selector}
      </label>
      {optionSchemaField}
    </>
  );
}

const TEMPLATES = { DescriptionFieldTemplate: Description, MultiSchemaFieldTemplate: Choice };

export default function SchemaForm({
  schema,
  value,
  send,
  change,
  label,
  look,
  children,
}: {
  schema: Schema;
  value?: unknown;
  /** Is given what was filled in. */
  send?: (data: unknown) => void;
  /** Is told of each change. */
  change?: (data: unknown) => void;
  label?: string;
  look?: UiSchema;
  children?: ReactNode;
}) {
  const [isJudged, setJudged] = useState(false);
  const shown = useMemo(() => ({ ...schema, title: undefined }) as RJSFSchema, [schema]);
  return (
    <Form
      className="schema-form"
      schema={shown}
      uiSchema={look}
      formData={value}
      validator={validator}
      // What somebody changes here and there is not to be filled up with what would be so anyway.
      experimental_defaultFormStateBehavior={send ? undefined : { emptyObjectFields: "skipDefaults" }}
      templates={TEMPLATES}
      noHtml5Validate
      showErrorList={false}
      tagName={send ? "form" : ("div" as "form")}
      onChange={({ formData }) => change?.(formData)}
      // What is wrong is told when it is sent, and from then on as it is mended.
      liveValidate={isJudged ? "onChange" : undefined}
      onError={() => setJudged(true)}
      onSubmit={({ formData }) => send?.(formData ?? {})}
    >
      {send ? (
        <div className="bar">
          <button type="submit" className="main">
            {label}
          </button>
          {children}
        </div>
      ) : (
        <></>
      )}
    </Form>
  );
}
