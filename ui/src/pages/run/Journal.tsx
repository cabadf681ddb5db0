/** The events of a run as the journal has them. */
import { useState } from "react";
import type { RunEvent } from "../../api/types.ts";
import { stepKey } from "../../model/events.ts";
import { Json } from "../../parts/Json.tsx";
import { Time } from "../../parts/small.tsx";

const SHOWN = 200;
const KNOWN = new Set(["seq", "at", "type", "step", "iteration", "attempt"]);

export function Journal({ events }: { events: RunEvent[] }) {
  const [shown, setShown] = useState(SHOWN);
  return (
    <div className="scroll" role="region" aria-label="Journal" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>#</th>
            <th>When</th>
            <th>What</th>
            <th>Step</th>
            <th>Attempt</th>
            <th>More</th>
          </tr>
        </thead>
        <tbody>
          {events.slice(0, shown).map((one) => {
            const more = Object.fromEntries(Object.entries(one).filter(([name]) => !KNOWN.has(name)));
            return (
              <tr key={one.seq}>
                <td>{one.seq}</td>
                <td>
                  <Time at={one.at} />
                </td>
                <td>
                  <code>{one.type}</code>
                </td>
                <td>{stepKey(one)}</td>
                <td>{one.attempt}</td>
                <td>{Object.keys(more).length > 0 && <Folded value={more} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {events.length > shown && (
        <button type="button" onClick={() => setShown(shown + SHOWN)}>
          {events.length - shown} more
        </button>
      )}
    </div>
  );
}

/** Built only once it is opened: a journal may be long. */
function Folded({ value }: { value: Record<string, unknown> }) {
  const [isOpen, setOpen] = useState(false);
  if (isOpen) return <Json title={Object.keys(value).join(", ")} value={value} />;
  return (
    <button type="button" className="plain" onClick={() => setOpen(true)}>
      {Object.keys(value).join(", ")}
    </button>
  );
}
