/** The plugins that the server has, and which action of them a step's `type` names. */
import { useQuery } from "@tanstack/react-query";
import { call } from "../../api/client.ts";
import type { Action, Plugins } from "../../api/types.ts";

export function useCatalogue() {
  return useQuery({
    queryKey: ["plugins"],
    staleTime: 30_000,
    queryFn: () => call<Plugins>("/api/v1/plugins"),
  });
}

/** The action that a step's `type` names: `plugin`, `plugin.action`, with or without a version. */
export function actionOf(type: string, catalogue?: Plugins): Action | undefined {
  const [name, version] = type.split("@");
  const [plugin, action] = (name ?? "").split(".");
  const found = catalogue?.items.filter((one) => one.name === plugin && (!version || one.version.startsWith(version)));
  const newest = found?.at(-1);
  return action ? newest?.actions.find((one) => one.name === action) : newest?.actions[0];
}
