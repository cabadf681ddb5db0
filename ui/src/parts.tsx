import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Problem, token } from "./api";

export const time = (text?: string | null) => (text ? new Date(text).toLocaleString() : "–");
export const State = ({ of }: { of: string }) => <b className={of}>{of}</b>;

/** An error, with a way on: a token where one is asked for, else the page about it and another try. */
export function Trouble({ error, again }: { error: unknown; again?: () => void }) {
  const [text, setText] = useState("");
  if (!error) return null;
  const problem = error instanceof Problem ? error : new Problem(0, String(error));
  if (problem.status === 401)
    return (
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          token.set(text);
          location.reload();
        }}
      >
        <label>
          This server asks for a token.{" "}
          <input type="password" value={text} onChange={(event) => setText(event.target.value)} />
        </label>{" "}
        <button type="submit">Go on</button>
        <p>
          <small>It is kept until this tab is closed.</small>
        </p>
      </form>
    );
  return (
    <div className="card problem" role="alert">
      {problem.message}
      {problem.errors.map((one) => (
        <div key={one.path + one.message}>
          <code>{one.path}</code> {one.message}
        </div>
      ))}
      <div className="bar">
        {problem.link && <a href={problem.link}>About this error</a>}
        {again && <button onClick={again}>Try again</button>}
      </div>
    </div>
  );
}
/** A button that asks the server for something and shows what went wrong. */
export function Do({ act, children }: { act: () => Promise<unknown>; children: ReactNode }) {
  const client = useQueryClient();
  const doing = useMutation({ mutationFn: act, onSuccess: () => client.invalidateQueries() });
  return (
    <>
      <button disabled={doing.isPending} onClick={() => doing.mutate()}>
        {children}
      </button>
      <Trouble error={doing.error} />
    </>
  );
}
export function Json({ title, value }: { title: string; value: unknown }) {
  if (value === undefined || value === null) return null;
  const text = JSON.stringify(value, null, 2);
  return (
    <details open={text.length < 600}>
      <summary>
        {title} <small>{text.length} characters</small>
      </summary>
      <pre tabIndex={0} aria-label={title}>
        {text}
      </pre>
    </details>
  );
}
