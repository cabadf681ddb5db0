/** What the charts of the system show, made from looks at the metrics. */
import { quantile, total } from "../../model/metrics.ts";
import type { Look } from "./metrics.ts";

export type Line = { name: string; colour: string; values: (number | null)[] };
export type ChartData = { title: string; unit: string; why: string; lines: Line[] };

/** A counter per second, from one look to the next. A counter that fell began anew. */
export function rate(looks: Look[], name: string, labels: Record<string, string> = {}): (number | null)[] {
  return looks.map((look, at) => {
    const before = looks[at - 1];
    if (!before) return null;
    const grown = total(look.samples, name, labels) - total(before.samples, name, labels);
    return grown < 0 ? null : (grown * 1000) / Math.max(look.at - before.at, 1);
  });
}

function gauge(looks: Look[], name: string): (number | null)[] {
  return looks.map((look) => total(look.samples, name));
}

/** In milliseconds. Over the last five looks, so that a quiet moment is no gap. */
function high(looks: Look[], name: string): (number | null)[] {
  return looks.map((look, at) => {
    const before = looks[Math.max(at - 5, 0)];
    const seconds = before && before !== look ? quantile(0.99, name, look.samples, before.samples) : null;
    return seconds === null ? null : seconds * 1000;
  });
}

const [ACT, OK, BAD, WAIT] = ["--act", "--ok", "--bad", "--wait"];

export function charts(looks: Look[]): ChartData[] {
  const line = (name: string, colour: string, values: (number | null)[]): Line => ({ name, colour, values });
  return [
    {
      title: "Throughput",
      unit: "per second",
      why: "Runs that come in and runs that end. Where more come than end for long, the backlog grows.",
      lines: [
        line("triggered", ACT, rate(looks, "millwork_runs_triggered_total")),
        line("succeeded", OK, rate(looks, "millwork_runs_completed_total", { status: "success" })),
        line("failed", BAD, rate(looks, "millwork_runs_completed_total", { status: "failed" })),
      ],
    },
    {
      title: "Backlog",
      unit: "runs",
      why: "Runs that wait to be executed, and those that are. Above engine.backlog_max triggers are turned away.",
      lines: [
        line("waiting", WAIT, gauge(looks, "millwork_backlog_runs")),
        line("being executed", ACT, gauge(looks, "millwork_in_flight_runs")),
      ],
    },
    {
      title: "Timers due",
      unit: "runs",
      why: "Runs that have something to do within the minute, and timers that fired.",
      lines: [
        line("due soon", WAIT, gauge(looks, "millwork_due_soon_runs")),
        line("fired per second", OK, rate(looks, "millwork_timers_fired_total")),
      ],
    },
    {
      title: "Lag",
      unit: "ms",
      why: "How much later than due timers fire: 99 of 100 below this.",
      lines: [
        line("timers", ACT, high(looks, "millwork_timer_lateness_seconds")),
        line("schedules", WAIT, high(looks, "millwork_schedule_lateness_seconds")),
      ],
    },
    {
      title: "Store",
      unit: "ms",
      why: "How long it takes to make a batch of commits durable: 99 of 100 below this. It is the disk.",
      lines: [line("commit", ACT, high(looks, "millwork_commit_duration_seconds"))],
    },
    {
      title: "Bus",
      unit: "messages",
      why: "Messages of the trigger topic that no worker has read, and those read and not finished with. Zero without Kafka.",
      lines: [
        line("not read", WAIT, gauge(looks, "millwork_bus_consumer_lag")),
        line("not finished", ACT, gauge(looks, "millwork_bus_items_unfinished")),
      ],
    },
    {
      title: "Limits reached",
      unit: "per second",
      why: "Runs that a limit of their workflow turned away, and limits of the sandbox that plugins reached.",
      lines: [
        line("runs refused", BAD, rate(looks, "millwork_runs_refused_total")),
        line("sandbox", WAIT, rate(looks, "millwork_plugin_limits_reached_total")),
      ],
    },
    {
      title: "Steps",
      unit: "per second",
      why: "Steps that ended, and attempts that are made again.",
      lines: [
        line("succeeded", OK, rate(looks, "millwork_steps_completed_total", { status: "success" })),
        line("failed", BAD, rate(looks, "millwork_steps_completed_total", { status: "failed" })),
        line("retried", WAIT, rate(looks, "millwork_step_retries_total")),
      ],
    },
  ];
}
