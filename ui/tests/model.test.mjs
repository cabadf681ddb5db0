import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { build } from "vite";

const { output } = await build({
  configFile: false,
  logLevel: "silent",
  build: { write: false, lib: { entry: new URL("../src/model.ts", import.meta.url).pathname, formats: ["es"] } },
}).then((all) => (Array.isArray(all) ? all[0] : all));
const { edges, fold, locate, states } = await import(`data:text/javascript,${encodeURIComponent(output[0].code)}`);

test("steps follow each other, or what they need", () => {
  assert.deepEqual(edges([{ name: "a" }, { name: "b" }, { name: "c", needs: ["a"] }, { name: "d", needs: [] }]), [
    ["a", "b"],
    ["a", "c"],
  ]);
});
test("events are folded in order and once", () => {
  const event = (seq, type, more) => ({ seq, type, step: "a", ...more });
  const events = [
    event(0, "step-started"),
    event(2, "step-succeeded"),
    event(1, "step-suspended"),
    event(1, "step-suspended"),
  ].reduce(fold, []);
  assert.deepEqual(
    events.map((one) => one.seq),
    [0, 1, 2],
  );
  assert.deepEqual(states(events), { a: "success" });
  assert.deepEqual(states([event(0, "step-succeeded", { iteration: 1 })]), { a: "running" });
});
test("an error's place is found, or its nearest parent", () => {
  const text = '{"a": "x", "steps": [{"type": "one"}, {"type": "two"}]}';
  assert.equal(text.slice(locate(text, "/steps/1/type")).startsWith('"two"'), true);
  assert.equal(text.slice(locate(text, "/steps/1/none")).startsWith('{"type": "two"'), true);
  for (const broken of ["", "{", "[1", '{"a', "}"]) assert.equal(locate(broken, "/a/b") <= broken.length, true);
});
test("the first load is under 300 KB compressed", () => {
  const dist = new URL("../dist/", import.meta.url);
  const html = readFileSync(new URL("index.html", dist), "utf8");
  const first = readdirSync(new URL("assets/", dist)).filter(
    (name) => name.endsWith(".gz") && html.includes(name.slice(0, -3)),
  );
  assert.ok(first.length >= 2);
  const bytes = first.reduce((sum, name) => sum + statSync(new URL(`assets/${name}`, dist)).size, 0);
  assert.ok(bytes < 300_000, `${bytes} bytes`);
});
