/**
 * The list of runs as far as it was scrolled: pages that are read once, the newest put before them as they come, and those that are
 * looked at read again. So it costs the same however long the list is.
 */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { address, call, type Parameters, type Problem, problemOf } from "../../api/client.ts";
import type { Page, RunItem } from "../../api/types.ts";

const PAGE = 200;
const LOOK_EVERY_MS = 2000;
/** Pages of new runs that are read at a time; beyond that the list begins anew. */
const NEW_PAGES_MAX = 5;

type Piece = { cursor: string; items: RunItem[]; next: string | null };

/** What a row shows: payloads may be large, and a list may be long. */
const slim = ({ id, workflow_id, workflow_version, status, labels, created_at, started_at, completed_at, error }: RunItem) => ({
  id,
  workflow_id,
  workflow_version,
  status,
  labels,
  created_at,
  started_at,
  completed_at,
  error,
});

export type RunList = {
  rows: RunItem[];
  isComplete: boolean;
  isLoading: boolean;
  error?: Problem;
  more: () => void;
  again: () => void;
};

/** `filter` is the query of the address; `looked` says which rows are on the screen. */
export function useRunList(filter: string, looked: () => [number, number]): RunList {
  const [rows, setRows] = useState<RunItem[]>([]);
  const [isComplete, setComplete] = useState(false);
  const [isLoading, setLoading] = useState(true);
  const [error, setError] = useState<Problem>();
  const [round, setRound] = useState(0);
  const pieces = useRef<Piece[]>([]);
  const busy = useRef(false);
  /** Somebody has scrolled to the end while something else was read. */
  const wanted = useRef(false);
  const visible = useRef(looked);
  visible.current = looked;

  const read = useCallback(
    (more: Record<string, string | number | undefined>) =>
      call<Page<RunItem>>(address("/api/v1/runs", { ...parameters(filter), limit: PAGE, ...more })),
    [filter],
  );
  const show = useCallback(() => {
    const seen = new Set<string>();
    const all: RunItem[] = [];
    for (const { items } of pieces.current) {
      for (const run of items) if (!seen.has(run.id) && seen.add(run.id)) all.push(run);
    }
    setRows(all);
    setComplete(pieces.current.at(-1)?.next === null);
  }, []);

  const append = useCallback(
    async (mine: () => boolean) => {
      const cursor = pieces.current.length ? pieces.current.at(-1)!.next : "";
      if (cursor === null) return;
      if (busy.current) {
        wanted.current = true;
        return;
      }
      busy.current = true;
      setLoading(true);
      try {
        const page = await read({ cursor });
        if (!mine()) return;
        pieces.current.push({ cursor, items: page.items.map(slim), next: page.next_cursor });
        setError(undefined);
        show();
      } catch (problem) {
        if (mine()) setError(problemOf(problem));
      } finally {
        if (mine()) {
          busy.current = false;
          setLoading(false);
        }
      }
    },
    [read, show],
  );

  const current = useRef(0);
  useEffect(() => {
    const turn = ++current.current;
    const mine = () => current.current === turn;
    pieces.current = [];
    busy.current = false;
    wanted.current = false;
    setRows([]);
    setComplete(false);
    void append(mine);
    const timer = setInterval(async () => {
      if (busy.current || document.hidden || !pieces.current.length) {
        if (!pieces.current.length && !busy.current) void append(mine);
        return;
      }
      busy.current = true;
      try {
        await takeNew();
        await readAgain();
        if (!mine()) return;
        setError(undefined);
        show();
      } catch (problem) {
        if (mine()) setError(problemOf(problem));
      } finally {
        if (mine()) {
          busy.current = false;
          if (wanted.current) void append(mine);
          wanted.current = false;
        }
      }
    }, LOOK_EVERY_MS);

    /** Those that were triggered since the newest that is here. */
    async function takeNew(): Promise<void> {
      const newest = pieces.current[0]?.items[0];
      if (!newest || new URLSearchParams(filter).has("created_before")) return;
      let cursor: string | undefined;
      for (let count = 0; count < NEW_PAGES_MAX; count++) {
        const page = await read({ order: "asc", created_from: newest.created_at, cursor });
        if (!mine()) return;
        const known = new Set(pieces.current[0]?.items.map((run) => run.id));
        const fresh = page.items.filter((run) => !known.has(run.id)).map(slim);
        if (fresh.length) pieces.current[0]?.items.unshift(...fresh.reverse());
        if (!page.next_cursor) return;
        cursor = page.next_cursor;
      }
      // More come than can be put before the list: it begins anew.
      const page = await read({});
      if (mine()) pieces.current = [{ cursor: "", items: page.items.map(slim), next: page.next_cursor }];
    }

    /** What is looked at: the states of the rows change. */
    async function readAgain(): Promise<void> {
      const [first, last] = visible.current();
      let at = 0;
      for (const piece of [...pieces.current]) {
        const from = at;
        at += piece.items.length;
        if (at <= first || from > last) continue;
        const page = await read({ cursor: piece.cursor });
        if (!mine()) return;
        if (piece.cursor !== "") {
          Object.assign(piece, { items: page.items.map(slim), next: page.next_cursor });
          continue;
        }
        // The first piece grows: of those that are on its page some may not fit the filter any more; behind it they keep what was known.
        const now = new Map(page.items.map((run) => [run.id, run]));
        const end = page.next_cursor && page.items.at(-1)?.id;
        piece.items = piece.items.flatMap((run) => {
          const found = now.get(run.id);
          if (found) return [slim(found)];
          return end && run.id < end ? [run] : [];
        });
      }
    }
    return () => {
      current.current++;
      clearInterval(timer);
    };
  }, [filter, round, read, append, show]);

  const more = useCallback(() => {
    const turn = current.current;
    void append(() => current.current === turn);
  }, [append]);
  const again = useCallback(() => setRound((now) => now + 1), []);
  return useMemo(() => ({ rows, isComplete, isLoading, error, more, again }), [rows, isComplete, isLoading, error, more, again]);
}

/** What the address says; an object of `URLSearchParams` would keep one of several labels. */
function parameters(filter: string): Parameters {
  const query = new URLSearchParams(filter);
  return { ...Object.fromEntries(query), label: query.getAll("label") };
}
