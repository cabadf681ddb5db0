/** A definition as text, in JSON or YAML: reading it, finding places in it, and changing a part while the rest stays as written. */
import { parser } from "@lezer/json";
import { isCollection, isMap, isPair, isScalar, parseDocument, stringify } from "yaml";
import type { Definition } from "../api/types.ts";

export type Format = "json" | "yaml";
export type Read = { value?: unknown; fault?: { at: number; message: string } };

export function formatOf(text: string): Format {
  return /^\s*[{[]/.test(text) ? "json" : "yaml";
}

export function read(text: string, format: Format): Read {
  if (format === "json") {
    try {
      return { value: JSON.parse(text) };
    } catch (error) {
      return { fault: { at: wrongPlace(text), message: (error as Error).message } };
    }
  }
  const document = parseDocument(text);
  const [first] = document.errors;
  // The first line says what is wrong; the picture of the text behind it is what the editor shows anyway.
  if (first) return { fault: { at: Math.min(first.pos[0], text.length), message: first.message.split("\n")[0]! } };
  try {
    return { value: document.toJS() };
  } catch (error) {
    return { fault: { at: 0, message: (error as Error).message } };
  }
}

/** Where a text stops being JSON: browsers do not say. */
function wrongPlace(text: string): number {
  let found = text.length;
  parser.parse(text).iterate({
    enter: (node) => {
      if (node.type.isError) found = Math.min(found, node.from);
    },
  });
  return found;
}

/** The definition, where the text holds something like one. */
export function definitionIn(text: string, format: Format): Definition | undefined {
  const { value } = read(text, format);
  return value && typeof value === "object" && !Array.isArray(value) ? (value as Definition) : undefined;
}

export function write(value: unknown, format: Format): string {
  return format === "json" ? JSON.stringify(value, null, 2) : stringify(value, { lineWidth: 110 });
}

/** Changes one place. Comments and the order of a YAML text stay. */
export function change(text: string, format: Format, path: (string | number)[], value: unknown): string {
  const document = parseDocument(text);
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, value);
  return format === "json" ? write(document.toJS(), "json") : document.toString({ lineWidth: 110 });
}

/** From where to where the value of a pointer such as `/steps/0/type` stands; of its nearest parent, where it is missing. */
export function locate(text: string, pointer: string): [from: number, to: number] {
  const wanted = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
  let found: unknown = parseDocument(text).contents;
  let range = rangeOf(found);
  for (const part of wanted) {
    if (!isCollection(found)) break;
    const next: unknown = found.items.find((item, at) =>
      isPair(item) ? isScalar(item.key) && String(item.key.value) === part : String(at) === part,
    );
    if (next === undefined) {
      // A member that is missing, or not known, is told at the beginning of what should hold it.
      range = isMap(found) ? firstLine(text, range) : range;
      break;
    }
    found = isPair(next) ? (next.value ?? next.key) : next;
    range = rangeOf(found) ?? range;
  }
  const [from, to] = range ?? [0, 0];
  return [Math.min(from, text.length), Math.min(Math.max(from, to), text.length)];
}

function rangeOf(node: unknown): [number, number] | undefined {
  const range = (node as { range?: [number, number, number] } | null)?.range;
  return range ? [range[0], range[1]] : undefined;
}

function firstLine(text: string, range?: [number, number]): [number, number] | undefined {
  if (!range) return range;
  const end = text.indexOf("\n", range[0]);
  return [range[0], end < 0 ? range[1] : Math.min(end, range[1])];
}
