/** The arrows between steps: those of `needs`; a step without it comes after the one before, as the engine has it. */
import type { Definition, Step } from "../api/types.ts";

export function edges(steps: Pick<Step, "name" | "needs">[]): [string, string][] {
  return steps.flatMap((step, at): [string, string][] => {
    if (step.needs) return step.needs.map((from) => [from, step.name]);
    const before = steps[at - 1];
    return before ? [[before.name, step.name]] : [];
  });
}

/** The parts of a definition that have steps, with what each is called. */
export function parts(definition: Pick<Definition, "steps" | "on_failure" | "finally">): [string, Step[]][] {
  const all: [string, unknown][] = [
    ["", definition.steps],
    ["on failure", definition.on_failure],
    ["finally", definition.finally],
  ];
  return all.map(([name, steps]) => [name, usable(steps)]);
}

/** Those that can be drawn: while somebody types, anything may stand where a step belongs. */
function usable(steps: unknown): Step[] {
  if (!Array.isArray(steps)) return [];
  const named = steps.filter((step) => typeof step?.name === "string" && typeof step?.type === "string");
  const seen = new Set<string>();
  return named
    .filter((step) => !seen.has(step.name) && seen.add(step.name))
    .map((step) => ({
      ...step,
      needs: Array.isArray(step.needs) ? step.needs.filter((one: unknown) => typeof one === "string") : undefined,
    }));
}
