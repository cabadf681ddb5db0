/** The charts of the system. Where there is nothing to draw yet, they say so. */
import { lazy, Suspense } from "react";
import type { Look } from "./metrics.ts";
import { type ChartData, charts } from "./series.ts";

const Chart = lazy(() => import("../../parts/Chart.tsx"));

export function Charts({ looks }: { looks: Look[] }) {
  const times = looks.map((look) => look.at);
  return (
    <div className="charts">
      {charts(looks).map((one) => (
        <figure className="card" key={one.title}>
          <figcaption>
            <b>{one.title}</b> <small>{one.unit}</small>
            <p>{one.why}</p>
          </figcaption>
          {isDrawable(one) ? (
            <Suspense fallback={<p className="chart none">Gathering …</p>}>
              <Chart label={told(one)} times={times} lines={one.lines} />
            </Suspense>
          ) : (
            <p className="chart none">
              {looks.length < 2
                ? "Gathering: a line takes two looks at the metrics, which come two seconds apart."
                : "Nothing of this has been measured since this page was opened."}
            </p>
          )}
        </figure>
      ))}
    </div>
  );
}

/** A line takes two points. */
function isDrawable({ lines }: ChartData): boolean {
  return lines.some((line) => line.values.filter((value) => value !== null).length > 1);
}

/** A chart, for those who do not see it. */
function told({ title, unit, lines }: ChartData): string {
  return `${title}, ${unit}: ${lines.map((line) => `${line.name} ${last(line.values)}`).join(", ")}`;
}

function last(values: (number | null)[]): string {
  const found = values.findLast((value) => value !== null);
  return found === undefined || found === null ? "nothing yet" : Number(found.toFixed(1)).toString();
}
