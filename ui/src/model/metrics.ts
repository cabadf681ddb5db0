/** The text format of Prometheus, and what can be told from two looks at it. */
export type Sample = { name: string; labels: Record<string, string>; value: number };

export function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name!] = value!.replace(/\\(.)/g, (_, one) => (one === "n" ? "\n" : one));
    }
    samples.push({ name: found[1]!, labels, value: Number(found[3]) });
  }
  return samples;
}

/** The sum of a metric over those of its labels that fit. */
export function total(samples: Sample[], name: string, labels: Record<string, string> = {}): number {
  let sum = 0;
  for (const one of samples) {
    if (one.name !== name) continue;
    if (Object.entries(labels).every(([label, value]) => one.labels[label] === value)) sum += one.value;
  }
  return sum;
}

/** Below which time the given part of what was measured since the earlier look lies, in seconds; nothing where nothing was. */
export function quantile(
  part: number,
  name: string,
  now: Sample[],
  before: Sample[] = [],
  labels: Record<string, string> = {},
): number | null {
  const bounds = [...new Set(now.filter((one) => one.name === `${name}_bucket`).map((one) => one.labels.le!))]
    .map((le) => [le, le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le)] as const)
    .sort((a, b) => a[1] - b[1]);
  const below = bounds.map(([le, bound]) => {
    const of = { ...labels, le };
    return [bound, total(now, `${name}_bucket`, of) - total(before, `${name}_bucket`, of)] as const;
  });
  const count = below.at(-1)?.[1] ?? 0;
  if (count <= 0) return null;
  const wanted = part * count;
  let last = 0;
  let under = 0;
  for (const [bound, reached] of below) {
    if (reached >= wanted) {
      if (!Number.isFinite(bound)) return last;
      return last + (bound - last) * (reached === under ? 1 : (wanted - under) / (reached - under));
    }
    last = bound;
    under = reached;
  }
  return last;
}
