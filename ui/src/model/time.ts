/** Times and lengths of time, for people. */
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function when(text?: string | null): string {
  return text ? clock.format(new Date(text)) : "–";
}

/** `1.25 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`. */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1) return ms <= 0 ? "0 ms" : `${Math.round(ms * 1000)} µs`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${Number(seconds.toFixed(seconds < 10 ? 2 : 1))} s`;
  const units: [string, number][] = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ];
  const at = units.findIndex(([, size]) => seconds >= size);
  const [name, size] = units[at]!;
  const [next, smaller] = units[at + 1] ?? ["", 0];
  const left = smaller ? Math.floor((seconds % size) / smaller) : 0;
  return `${Math.floor(seconds / size)} ${name}${left ? ` ${left} ${next}` : ""}`;
}

export function took(from?: string | null, to?: string | null): string {
  return from && to ? span(Date.parse(to) - Date.parse(from)) : "";
}

/** `in 3 min`, `5 s ago`. */
export function fromNow(text: string, now = Date.now()): string {
  const away = Date.parse(text) - now;
  return away >= 0 ? `in ${span(away)}` : `${span(-away)} ago`;
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  return count < 1024 ** 2 ? `${Math.round(count / 1024)} KiB` : `${(count / 1024 ** 2).toFixed(1)} MiB`;
}

/** A time as an input of the kind `datetime-local` has it, and back. */
export function toLocal(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
export function fromLocal(text: string): string {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString();
}
