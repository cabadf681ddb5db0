/** Runs over time by the state they are in: bars that can be clicked to look at a stretch. */
import { useQuery } from "@tanstack/react-query";
import { address, call } from "../../api/client.ts";
import { type History as Counted, STATUSES } from "../../api/types.ts";
import { span, when } from "../../model/time.ts";
import { Trouble } from "../../parts/Trouble.tsx";
import type { Change } from "./Filters.tsx";

const HOURS: [string, number][] = [
  ["hour", 1],
  ["day", 24],
  ["week", 168],
  ["month", 720],
];
const [WIDTH, HEIGHT] = [960, 96];

export function History({ query, change }: { query: URLSearchParams; change: Change }) {
  const hours = Number(query.get("window")) || 24;
  const [from, before] = [query.get("created_from") ?? "", query.get("created_before") ?? ""];
  const workflow = query.get("workflow_id") ?? "";
  const counted = useQuery({
    queryKey: ["history", workflow, from, before, hours],
    refetchInterval: 10_000,
    placeholderData: (earlier) => earlier,
    queryFn: () => {
      const start = from || new Date((before ? Date.parse(before) : Date.now()) - hours * 3_600_000).toISOString();
      const asked = { workflow_id: workflow, created_from: start, created_before: before, stretches: 60 };
      return call<Counted>(address("/api/v1/stats/history", asked));
    },
  });
  const { data } = counted;
  if (!data) return <Trouble error={counted.error} again={() => counted.refetch()} />;
  const sums = data.items.map(({ runs }) => STATUSES.reduce((sum, status) => sum + runs[status], 0));
  const most = Math.max(1, ...sums);
  const all = sums.reduce((sum, one) => sum + one, 0);
  const step = WIDTH / data.items.length;
  const isCut = Date.parse(data.counted_from) > Date.parse(data.created_from);
  return (
    <figure className="history">
      <figcaption className="bar spread">
        <span>
          {all.toLocaleString()} runs since {when(data.created_from)}, {span(data.stretch_seconds * 1000)} a bar
          {query.has("label") && ", whatever their labels"}
          {isCut && `; counted from ${when(data.counted_from)} on, since there are more than 100,000`}
        </span>
        {!from && (
          <span className="bar tabs" role="group" aria-label="How far back">
            {HOURS.map(([name, length]) => (
              <button
                type="button"
                key={name}
                aria-pressed={hours === length}
                onClick={() => change({ window: length === 24 ? "" : String(length) })}
              >
                {name}
              </button>
            ))}
          </span>
        )}
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Runs over time: ${all} in all, ${most} at most in ${span(data.stretch_seconds * 1000)}`}
      >
        {data.items.map((item, at) => {
          let top = HEIGHT;
          return (
            <g
              key={item.created_from}
              className="stretch"
              onClick={() =>
                change({
                  created_from: item.created_from,
                  created_before: data.items[at + 1]?.created_from ?? data.created_before,
                })
              }
            >
              <title>{`${when(item.created_from)}: ${
                STATUSES.filter((status) => item.runs[status])
                  .map((status) => `${item.runs[status]} ${status}`)
                  .join(", ") || "no runs"
              }`}</title>
              <rect x={at * step} y={0} width={step} height={HEIGHT} className="back" />
              {STATUSES.map((status) => {
                const height = (item.runs[status] / most) * (HEIGHT - 4);
                top -= height;
                return (
                  height > 0 && (
                    <rect
                      key={status}
                      className={`fill ${status}`}
                      x={at * step + 1}
                      y={top}
                      width={Math.max(step - 2, 1)}
                      height={height}
                    />
                  )
                );
              })}
            </g>
          );
        })}
      </svg>
    </figure>
  );
}
