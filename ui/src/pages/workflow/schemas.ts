/** What of a plugin's schema a form can show for a configuration as it is. */
import type { Schema } from "../../api/types.ts";

/**
 * The schema without the members that hold an expression where no text belongs, and without those of which nothing is said (any JSON):
 * such are edited in the text. What is left out of the form stays in the configuration.
 */
export function bySchema(schema: Schema, config: Record<string, unknown>): { schema: Schema; left: string[] } {
  const left: string[] = [];
  const properties: Record<string, unknown> = {};
  for (const [name, of] of Object.entries((schema.properties as Record<string, Schema>) ?? {})) {
    if (fits(of, config[name])) properties[name] = of;
    else left.push(name);
  }
  return { schema: { ...schema, description: undefined, properties, required: without(schema.required, left), additionalProperties: true }, left };
}

function without(required: unknown, left: string[]): string[] | undefined {
  return Array.isArray(required) ? required.filter((name) => !left.includes(name)) : undefined;
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
