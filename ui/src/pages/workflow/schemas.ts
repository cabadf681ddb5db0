/** What of a plugin's schema a form can show for a configuration as it is. */
import type { Schema } from "../../api/types.ts";

/**
 * The schema without the members that hold an expression where no text belongs, and without those of which nothing is said (any JSON):
 * such are edited in the text. What is left out of the form stays in the configuration. Which members go together is for the server to
 * judge: as a form it would be a choice between shapes that have no name.
 */
export function bySchema(schema: Schema, config: Record<string, unknown>): { schema: Schema; left: string[] } {
  const left: string[] = [];
  const properties: Record<string, unknown> = {};
  for (const [name, of] of Object.entries((schema.properties as Record<string, Schema>) ?? {})) {
    const shown = named(of, schema);
    if (fits(shown, config[name])) properties[name] = shown;
    else left.push(name);
  }
  const { description: _, oneOf: _o, anyOf: _a, allOf: _l, ...shape } = schema;
  for (const [name, of] of Object.entries({ oneOf: schema.oneOf, anyOf: schema.anyOf })) {
    if (Array.isArray(of) && !of.every(isAboutPresence)) Object.assign(shape, { [name]: of });
  }
  // Of others than these nothing can be shown, and no button offers them.
  return { schema: { ...shape, properties, required: without(schema.required, left), additionalProperties: false }, left };
}

/** `{required: ["a"]}`, and such with `not` before it, say of members whether they are there, and nothing of their shape. */
function isAboutPresence(schema: Schema): boolean {
  return Object.entries(schema).every(([name, of]) => name === "required" || (name === "not" && isAboutPresence(of as Schema)));
}

function without(required: unknown, left: string[]): string[] | undefined {
  return Array.isArray(required) ? required.filter((name) => !left.includes(name)) : undefined;
}

/**
 * A reference to a choice between texts, as that choice with what each means. What else is referred to is larger than a form that can be
 * used, and left to the text.
 */
function named(of: Schema, root: Schema): Schema {
  const { $ref, ...beside } = of;
  const name = typeof $ref === "string" ? /^#\/\$defs\/(.+)$/.exec($ref)?.[1] : undefined;
  const choices = name === undefined ? undefined : (root.$defs as Record<string, Schema> | undefined)?.[name]?.oneOf;
  if (!Array.isArray(choices) || !choices.every((one: Schema) => typeof one.const === "string")) return of;
  const oneOf = choices.map(({ const: text, description }) => ({
    const: text,
    title: typeof description === "string" ? `${text}: ${description.replaceAll("`", "")}` : text,
  }));
  return { ...beside, type: "string", oneOf };
}

function fits(schema: Schema, value: unknown): boolean {
  const types = typesOf(schema);
  if (!types.length) return false;
  if (typeof value === "string" && value.includes("${")) return types.includes("string");
  if (value === undefined || value === null) return !types.includes("null") || types.length > 1;
  const is = Array.isArray(value) ? "array" : typeof value;
  return types.includes(is) || (is === "number" && types.includes("integer"));
}

function typesOf(schema: Schema): string[] {
  if (typeof schema.type === "string") return [schema.type];
  if (Array.isArray(schema.type)) return schema.type as string[];
  if (Array.isArray(schema.enum)) return schema.enum.map((one) => typeof one);
  const choices = (schema.oneOf ?? schema.anyOf) as Schema[] | undefined;
  return choices?.flatMap(typesOf) ?? [];
}
