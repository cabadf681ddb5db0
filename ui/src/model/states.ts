/** What a step is doing: one that sleeps or waits is told from one that works, and one that was never begun from one that may yet be. */
import type { StepResult } from "../api/types.ts";

/** `isOver` where its run has ended: what is pending then is not done any more. */
export function stateOf(result: Pick<StepResult, "status" | "waiting_for"> | undefined, isOver: boolean): string {
  if (!result || result.status === "pending") return isOver ? "not-reached" : "pending";
  return result.status === "running" && result.waiting_for ? "waiting" : result.status;
}

/** A state as it is said. */
export const said = (state: string): string => state.replace("-", " ");
