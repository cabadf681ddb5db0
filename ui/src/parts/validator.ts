/**
 * Judges what is filled in, by a validator that interprets schemas: those that compile them to code are refused by the page's policy.
 * The server judges again.
 */
import { type OutputUnit, Validator } from "@cfworker/json-schema";
import {
  createErrorHandler,
  type RJSFSchema,
  type RJSFValidationError,
  toErrorList,
  toErrorSchema,
  unwrapErrorHandler,
  type ValidatorType,
} from "@rjsf/utils";

/** What only repeats that something below did not hold. */
const ABOVE = new Set(["properties", "items", "allOf", "if", "$ref", "additionalProperties", "prefixItems"]);

function judge(schema: RJSFSchema, data: unknown): OutputUnit[] {
  try {
    const found = new Validator(schema as object, "2020-12", false).validate(data);
    return found.valid ? [] : found.errors.filter((one) => !ABOVE.has(one.keyword));
  } catch {
    // A schema that cannot be read here is for the server to judge by.
    return [];
  }
}

function errorOf({ keyword, instanceLocation, error }: OutputUnit): RJSFValidationError {
  const missing = keyword === "required" ? /"(.+?)"/.exec(error.replace(/^Instance /, ""))?.[1] : undefined;
  const path = instanceLocation.replace(/^#/, "").split("/").slice(1);
  const property = [...path, ...(missing ? [missing] : [])].map((part) => `.${part}`).join("");
  const message = missing ? "This is needed." : error;
  return { name: keyword, property, message, stack: `${property} ${message}` };
}

export const validator: ValidatorType = {
  isValid: (schema, data, root) => {
    const all = root?.definitions || root?.$defs ? { ...schema, definitions: root.definitions, $defs: root.$defs } : schema;
    return judge(all as RJSFSchema, data).length === 0;
  },
  rawValidation: (schema, data) => ({ errors: judge(schema, data) as never }),
  validateFormData: (data, schema, custom, transform) => {
    let errors = judge(schema, data).map(errorOf);
    if (transform) errors = transform(errors);
    const errorSchema = toErrorSchema(errors);
    if (!custom) return { errors, errorSchema };
    const more = unwrapErrorHandler(custom(data, createErrorHandler(data)));
    return { errors: [...errors, ...toErrorList(more)], errorSchema: { ...errorSchema, ...more } };
  },
};
