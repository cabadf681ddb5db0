/** Whether the process and the parts that it stands on are well. */
import { useQuery } from "@tanstack/react-query";
import { call, text } from "../../api/client.ts";
import { Pill } from "../../parts/small.tsx";
import { Trouble } from "../../parts/Trouble.tsx";
import type { Look } from "./metrics.ts";

const LOOK_EVERY_MS = 5000;
const PARTS = ["store", "bus", "engine"];

export function Health({ looks }: { looks: Look[] }) {
  const ready = useQuery({
    queryKey: ["health"],
    refetchInterval: LOOK_EVERY_MS,
    retry: false,
    queryFn: () => call<{ status: string; version: string }>("/health/ready"),
  });
  const live = useQuery({
    queryKey: ["live"],
    refetchInterval: LOOK_EVERY_MS,
    retry: false,
    queryFn: () => text("/health/live"),
  });
  const wellness = looks.at(-1)?.samples.filter((one) => one.name === "millwork_part_healthy") ?? [];
  const of = (part: string) => wellness.find((one) => one.labels.part === part)?.value;
  return (
    <>
      <div className="bar facts">
        <Well of="process" is={live.error ? 0 : live.data === undefined ? undefined : 1} bad="does not answer" />
        {PARTS.map((part) => (
          <Well key={part} of={part} is={live.error ? undefined : of(part)} bad="not well" />
        ))}
        {ready.data && <span>version {ready.data.version}</span>}
      </div>
      {/* It names the part that is not well, and why. */}
      <Trouble error={ready.error} again={() => ready.refetch()} />
    </>
  );
}

/** `is`: 1 where it is well, 0 where it is not; nothing where nobody knows. */
function Well({ of, is, bad }: { of: string; is?: number; bad: string }) {
  return (
    <span>
      {of}{" "}
      {is === undefined ? <Pill>not known yet</Pill> : <Pill kind={is ? "success" : "failed"}>{is ? "✓ well" : `✕ ${bad}`}</Pill>}
    </span>
  );
}
