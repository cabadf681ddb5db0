// A connector in JavaScript that does the main things of the contract once. What is tested is not built from here: it is the
// component in `tests/frozen`, which was built once and for all.
import { connector, permanent, suspendFor, waitForSignal } from "../millwork/index.js";
import { send } from "../millwork/http.js";
import * as kv from "../millwork/kv.js";
import * as log from "../millwork/log.js";

const anything = { type: "object" };

const action = (name, invoke) => ({
  name,
  title: `Witness of ${name}`,
  description: `Does what ${name} says.`,
  readOnly: true,
  idempotent: true,
  configSchema: anything,
  outputSchema: {},
  examples: [{ title: "Nothing", config: {} }],
  timeoutMs: 20_000,
  maxAttempts: 2,
  validate: (config) => (config.wrong ? [{ path: "/wrong", message: `is wrong for ${name}` }] : []),
  invoke,
});

export const plugin = connector({
  name: "witness-js",
  version: "1.0.0",
  description: "Does the main things of the contract once, in JavaScript.",
  asks: [{ http: "*" }, "kv"],
  actions: [
    action("echo", (config) => {
      log.info("echoed", { field: "value" });
      return config;
    }),
    action("fail", () => {
      throw permanent("on-purpose", "it was asked for", { why: "a test" });
    }),
    // Counts its calls in its state.
    action("poll", ({ times, every_ms }, { resumed }) => {
      const calls = (resumed?.state ?? 0) + 1;
      return calls >= times ? { calls } : suspendFor(every_ms).state(calls);
    }),
    action("wait-signal", ({ timeout_ms }, { resumed }) => {
      if (!resumed) return waitForSignal("go", timeout_ms).state("the state of wait-signal");
      return { cause: resumed.cause, payload: resumed.signal?.payload ?? null, state: resumed.state };
    }),
    action("http", ({ url }) => send(url).json()),
    action("kv", () => {
      const version = kv.set("key", "one", "absent");
      kv.set("key", "two", version);
      return kv.get("key").value;
    }),
  ],
});
