/** An error with a way on: the page about it, another try. The sign-in form comes by itself where a token is missing. */
import { Link } from "wouter";
import { type Fault, problemOf } from "../api/client.ts";

/** The console's page for the page that a problem names. */
export function pageOf(address: string): string {
  return address.replace(/^.*\/docs\/errors\//, "/errors/");
}

export function Trouble({ error, again }: { error: unknown; again?: () => void }) {
  if (!error) return null;
  const problem = problemOf(error);
  if (problem.status === 401) return null;
  return (
    <div className="card problem" role="alert">
      <p>{problem.errors.length ? problem.message.split(":")[0] : problem.message}</p>
      <Faults of={problem.errors} />
      <div className="bar">
        {again && (
          <button type="button" onClick={again}>
            Try again
          </button>
        )}
        {problem.page && <Link href={pageOf(problem.page)}>What this error means</Link>}
      </div>
    </div>
  );
}

export function Faults({ of }: { of: Fault[] }) {
  if (!of.length) return null;
  return (
    <ul className="faults">
      {of.map((one) => (
        <li key={one.path + one.message}>
          <code>{one.path || "/"}</code> {one.message}
        </li>
      ))}
    </ul>
  );
}
