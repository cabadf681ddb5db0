/** Lines over time. */
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useTheme } from "./theme.ts";

const HEIGHT = 150;
const SHOWN_AT_LEAST_S = 60;

export default function Chart({
  label,
  times,
  lines,
}: {
  label: string;
  /** Milliseconds since 1970. */
  times: number[];
  lines: { name: string; colour: string; values: (number | null)[] }[];
}) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>(null);
  const theme = useTheme();
  const names = lines.map((line) => line.name).join();
  const data = [times.map((at) => at / 1000), ...lines.map((line) => line.values)] as uPlot.AlignedData;
  const newest = useRef(data);
  newest.current = data;
  useEffect(() => {
    const box = place.current!;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => resolve(box, style.getPropertyValue(name));
    const [dim, grid] = [colour("--dim"), colour("--line")];
    const axis = { stroke: dim, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    chart.current = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        cursor: { y: false },
        legend: { live: false },
        scales: {
          // A minute at least, so that the first looks do not stand at years.
          x: { range: (_, least, most) => [Math.min(least, most - SHOWN_AT_LEAST_S), most] },
          y: { range: (_, __, most) => [0, Math.max(most * 1.1, 1)] },
        },
        axes: [axis, { ...axis, size: 52 }],
        series: [
          {},
          ...lines.map((line) => ({ label: line.name, stroke: colour(line.colour), width: 1.5, points: { show: false } })),
        ],
      },
      newest.current,
      box,
    );
    const resized = new ResizeObserver(() => chart.current?.setSize({ width: box.clientWidth, height: HEIGHT }));
    resized.observe(box);
    return () => {
      resized.disconnect();
      chart.current?.destroy();
    };
  }, [names, theme]);
  useEffect(() => {
    chart.current?.setData(data);
  }, [data]);
  return <div className="chart" ref={place} role="img" aria-label={label} />;
}

/** A canvas knows no `light-dark()`: the browser says what it comes to. */
function resolve(box: HTMLElement, colour: string): string {
  const probe = document.createElement("span");
  probe.style.color = colour;
  box.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
