// Millwork's SDK for connectors in JavaScript: what an author writes, made into what the contract wants.

/**
 * Makes a connector. What it returns is exported under the name `plugin`:
 *
 *     export const plugin = connector({ name, version, description, asks, actions: [...] });
 */
export function connector({ name, version, description = "", asks = [], actions }) {
  const find = (wanted) => actions.find((action) => action.name === wanted);
  return {
    describe: () => ({
      name,
      version,
      description,
      asks: asks.map(toAsk),
      actions: actions.map(toAction),
      annotations: [],
    }),
    validate(action, config) {
      const found = find(action);
      if (!found?.validate) return [];
      const problems = found.validate(JSON.parse(config)) ?? [];
      return problems.map(({ path = "", message }) => ({ path, message }));
    },
    invoke(context, action, config) {
      const found = find(action);
      if (!found) throw toFailure(new Failure("unknown-action", `there is no action ${action}`));
      let outcome;
      try {
        outcome = found.invoke(JSON.parse(config), toContext(context));
      } catch (error) {
        throw toFailure(error);
      }
      if (outcome instanceof Suspension) return outcome.toOutcome();
      return { tag: "completed", val: JSON.stringify(outcome ?? null) };
    },
  };
}

/** Why an invocation did not work. Throw it; what else is thrown is a permanent failure with the code `exception`. */
export class Failure extends Error {
  /** `kind`: retryable, rate-limited, permanent, timeout or other. `afterMs`: for rate-limited, when to try again. */
  constructor(code, message, { kind = "permanent", afterMs, details } = {}) {
    super(message);
    Object.assign(this, { code, kind, afterMs, details });
  }
}

/** Another attempt may work. */
export const retryable = (code, message, details) => new Failure(code, message, { kind: "retryable", details });

/** Another attempt would fail the same way. */
export const permanent = (code, message, details) => new Failure(code, message, { kind: "permanent", details });

/** Another attempt may work, after this long. */
export const rateLimited = (message, afterMs) => new Failure("rate-limited", message, { kind: "rate-limited", afterMs });

/** To be continued. Nothing stays in memory meanwhile. */
export class Suspension {
  #until;
  #state = new Uint8Array();
  #then = { tag: "call-again" };

  constructor(until) {
    this.#until = until;
  }

  /** What comes back as `context.resumed.state`: anything that JSON can hold. */
  state(value) {
    this.#state = encode(JSON.stringify(value));
    return this;
  }

  /** Completes the step with this output when the time comes, without another call. */
  thenComplete(output) {
    this.#then = { tag: "complete", val: JSON.stringify(output ?? null) };
    return this;
  }

  toOutcome() {
    return { tag: "suspended", val: { until: this.#until, state: this.#state, then: this.#then } };
  }
}

/** Waits for a span of time, in milliseconds. */
export const suspendFor = (milliseconds) => new Suspension({ tag: "after", val: whole(milliseconds) });

/** Waits until a point in time: a Date. */
export const suspendUntil = (date) => new Suspension({ tag: "at", val: whole(date.getTime() * 1000) });

/** Waits for a named signal to the run; for ever, or for so many milliseconds. */
export const waitForSignal = (name, timeoutMs) =>
  new Suspension({
    tag: "signal",
    val: { name, timeout: whole(timeoutMs) },
  });

/** A number as the contract takes it, where there is one. The engine takes numbers for u64, and traps on a BigInt. */
export const whole = (number) => (number === undefined ? undefined : Math.ceil(number));

function toAsk(ask) {
  if (ask === "kv") return { tag: "kv" };
  if (ask.http) return { tag: "http", val: ask.http };
  return { tag: "secret", val: ask.secret };
}

function toAction(action) {
  const { name, title = "", description = "", configSchema = {}, outputSchema = {}, examples = [] } = action;
  const { readOnly = false, idempotent = false, destructive = false, timeoutMs, maxAttempts } = action;
  return {
    name,
    title,
    description,
    configSchema: JSON.stringify(configSchema),
    outputSchema: JSON.stringify(outputSchema),
    examples: examples.map(({ title, config }) => ({ title, config: JSON.stringify(config) })),
    traits: { readOnly, idempotent, destructive },
    timeout: whole(timeoutMs),
    maxAttempts,
    annotations: [],
  };
}

function toContext(context) {
  const resumed = context.resumed && {
    cause: context.resumed.cause.tag,
    signal: context.resumed.cause.tag === "signal" ? toSignal(context.resumed.cause.val) : undefined,
    state: context.resumed.state.length ? JSON.parse(decode(context.resumed.state)) : undefined,
  };
  return { ...context, deadline: new Date(Number(context.deadline) / 1000), resumed };
}

const toSignal = ({ name, payload }) => ({ name, payload: JSON.parse(payload) });

function toFailure(error) {
  const isOurs = error instanceof Failure;
  const kind = isOurs ? error.kind : "permanent";
  const after = whole(error?.afterMs);
  return {
    kind: kind === "rate-limited" ? { tag: kind, val: after } : { tag: kind },
    code: isOurs ? error.code : "exception",
    message: String(error?.message ?? error),
    details: isOurs && error.details !== undefined ? JSON.stringify(error.details) : undefined,
  };
}

/** UTF-8, since the runtime has no TextEncoder. */
export function encode(text) {
  const escaped = unescape(encodeURIComponent(text));
  return Uint8Array.from(escaped, (character) => character.charCodeAt(0));
}

/** The text of bytes in UTF-8. */
export function decode(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return decodeURIComponent(escape(text));
}
