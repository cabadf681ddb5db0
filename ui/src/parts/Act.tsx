/** Buttons that ask the server for something, with what became of it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Trouble } from "./Trouble.tsx";

type Looks = { children: ReactNode; kind?: "main" | "danger"; title?: string; disabled?: boolean };

/** Does it at once. */
export function Act({ act, children, kind, title, disabled }: Looks & { act: () => Promise<unknown> }) {
  const client = useQueryClient();
  const doing = useMutation({ mutationFn: act, onSuccess: () => client.invalidateQueries() });
  return (
    <>
      <button
        type="button"
        className={kind}
        title={title}
        disabled={disabled || doing.isPending}
        onClick={() => doing.mutate()}
      >
        {children}
      </button>
      <Trouble error={doing.error} />
    </>
  );
}

/** Asks first, and for a reason where one is kept. */
export function Confirm({
  act,
  children,
  kind,
  question,
  verb,
  reason = false,
  more,
}: Looks & {
  act: (reason?: string) => Promise<unknown>;
  question: ReactNode;
  verb: string;
  reason?: boolean;
  more?: ReactNode;
}) {
  const [isOpen, setOpen] = useState(false);
  const [why, setWhy] = useState("");
  const client = useQueryClient();
  const doing = useMutation({
    mutationFn: () => act(why.trim() || undefined),
    onSuccess: () => {
      setOpen(false);
      return client.invalidateQueries();
    },
  });
  return (
    <>
      <button type="button" className={kind} onClick={() => setOpen(true)}>
        {children}
      </button>
      {isOpen && (
        <Dialog title={verb} close={() => setOpen(false)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              doing.mutate();
            }}
          >
            <p>{question}</p>
            {more}
            {reason && (
              <label className="field">
                Reason, for the run's journal
                <input value={why} onChange={(event) => setWhy(event.target.value)} />
              </label>
            )}
            <Trouble error={doing.error} />
            <div className="bar end">
              <button type="button" onClick={() => setOpen(false)}>
                Leave it
              </button>
              <button type="submit" className={kind ?? "main"} disabled={doing.isPending}>
                {verb}
              </button>
            </div>
          </form>
        </Dialog>
      )}
    </>
  );
}

/** A dialog over the page; Escape closes it. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ReactNode }) {
  const place = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = place.current;
    if (dialog && !dialog.open) dialog.showModal();
  }, []);
  return (
    <dialog ref={place} aria-label={title} onClose={close} onCancel={close}>
      <div className="bar spread">
        <h2>{title}</h2>
        <button type="button" className="plain" aria-label="Close" onClick={close}>
          ✕
        </button>
      </div>
      {children}
    </dialog>
  );
}
