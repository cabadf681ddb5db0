/** A JSON value as a tree. What is large is folded, what is long is cut; both open by a click. */
import { useState } from "react";

const OPEN_CHARACTERS = 400;
const TEXT_SHOWN = 300;
const ITEMS_SHOWN = 50;

export function Json({ title, value }: { title: string; value: unknown }) {
  const [copied, setCopied] = useState(false);
  if (value === undefined || value === null) return null;
  const text = JSON.stringify(value, null, 2);
  const isLarge = text.length > OPEN_CHARACTERS;
  return (
    <details className="json" open={!isLarge}>
      <summary>
        {title} {isLarge && <small>{size(text.length)}</small>}
      </summary>
      <button
        type="button"
        className="plain copy"
        onClick={() =>
          void navigator.clipboard?.writeText(text).then(() => {
            setCopied(true);
            setTimeout(() => setCopied(false), 1500);
          })
        }
      >
        {copied ? "Copied" : "Copy"}
      </button>
      <div className="tree" role="region" aria-label={title} tabIndex={0}>
        <Value value={value} />
      </div>
    </details>
  );
}

function size(characters: number): string {
  return characters < 10_000 ? `${characters} characters` : `${Math.round(characters / 1000)} thousand characters`;
}

function Value({ value, name }: { value: unknown; name?: string }) {
  const before = name !== undefined && <span className="key">{name}: </span>;
  if (typeof value !== "object" || value === null) {
    return (
      <div className="leaf">
        {before}
        <Leaf value={value} />
      </div>
    );
  }
  const entries = Object.entries(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (!entries.length) {
    return (
      <div className="leaf">
        {before}
        {open}
        {close}
      </div>
    );
  }
  const isLarge = name !== undefined && JSON.stringify(value).length > OPEN_CHARACTERS;
  return (
    <details open={!isLarge}>
      <summary>
        {before}
        <small>
          {Array.isArray(value) ? `${entries.length} items` : entries.length === 1 ? "1 key" : `${entries.length} keys`}
        </small>
      </summary>
      <Entries of={entries} />
    </details>
  );
}

function Entries({ of }: { of: [string, unknown][] }) {
  const [shown, setShown] = useState(ITEMS_SHOWN);
  return (
    <>
      {of.slice(0, shown).map(([key, value]) => (
        <Value key={key} name={key} value={value} />
      ))}
      {of.length > shown && (
        <button type="button" className="plain" onClick={() => setShown(shown + 10 * ITEMS_SHOWN)}>
          {of.length - shown} more
        </button>
      )}
    </>
  );
}

function Leaf({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  const text = JSON.stringify(value) ?? "null";
  const kind = value === null ? "null" : typeof value;
  if (text.length <= TEXT_SHOWN || isWhole) return <span className={`is-${kind}`}>{text}</span>;
  return (
    <>
      <span className={`is-${kind}`}>{text.slice(0, TEXT_SHOWN)}…</span>{" "}
      <button type="button" className="plain" onClick={() => setWhole(true)}>
        all {text.length} characters
      </button>
    </>
  );
}
