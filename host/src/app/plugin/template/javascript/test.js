import assert from "node:assert/strict";
import test from "node:test";
import { plugin } from "../src/index.js";

test("greets by name", () => {
  const outcome = plugin.invoke({ deadline: 0 }, "greet", JSON.stringify({ name: "Ada" }));
  assert.deepEqual(JSON.parse(outcome.val), { text: "Hello, Ada!" });
});

test("greets nobody", () => {
  const invoke = () => plugin.invoke({ deadline: 0 }, "greet", JSON.stringify({ name: "" }));
  assert.throws(invoke, { code: "nobody", kind: { tag: "permanent" } });
});
