/** Small things that every page shows. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import { said } from "../model/states.ts";
import { when } from "../model/time.ts";

/** A state, as a word with its colour and its sign: never by colour alone. */
const SIGNS: Record<string, string> = {
  pending: "○",
  running: "◐",
  waiting: "◷",
  success: "✓",
  failed: "✕",
  paused: "‖",
  cancelled: "⊘",
  skipped: "→",
  "not-reached": "·",
};

export function State({ of }: { of: string }) {
  return (
    <span className={`state ${of}`}>
      <span aria-hidden="true">{SIGNS[of]}</span> {said(of)}
    </span>
  );
}

export function Time({ at }: { at?: string | null }) {
  return at ? <time dateTime={at} title={at}>{when(at)}</time> : <>–</>;
}

/** The beginning and the end of an identifier; the whole is in the title. */
export function Id({ of, to }: { of: string; to?: string }) {
  const short = <code title={of}>{of.length > 16 ? `${of.slice(0, 8)}…${of.slice(-6)}` : of}</code>;
  return to ? (
    <Link href={to}>{short}</Link>
  ) : (
    short
  );
}

/** What stands where nothing is yet: what would be here, and how to make it so. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card empty">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p className="loading" role="status">
      Reading {what} …
    </p>
  );
}

export function Pill({ children, kind }: { children: ReactNode; kind?: string }) {
  return <span className={`pill ${kind ?? ""}`}>{children}</span>;
}
