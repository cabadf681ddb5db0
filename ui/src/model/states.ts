/** What a step is doing: one that sleeps or waits is told from one that works. */
import type { StepResult } from "../api/types.ts";

export function stateOf(result?: Pick<StepResult, "status" | "waiting_for">): string {
  if (!result) return "pending";
  return result.status === "running" && result.waiting_for ? "waiting" : result.status;
}
