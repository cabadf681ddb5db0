/** Where two JSON values differ. */
export type Differing = { path: string; before: unknown; after: unknown };

/** The differences, by path, in the order of the first value; at most so many. */
export function difference(before: unknown, after: unknown, most = 200): Differing[] {
  const found: Differing[] = [];
  const look = (a: unknown, b: unknown, path: string): void => {
    if (found.length >= most || Object.is(a, b)) return;
    const both = isBranch(a) && isBranch(b) && Array.isArray(a) === Array.isArray(b);
    if (!both) {
      if (JSON.stringify(a) !== JSON.stringify(b)) found.push({ path: path || "/", before: a, after: b });
      return;
    }
    const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      look(left[key], right[key], `${path}/${key}`);
    }
  };
  look(before, after, "");
  return found;
}

function isBranch(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
