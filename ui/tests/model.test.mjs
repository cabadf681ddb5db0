// What is computed without a page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "vite";

/** A module of the console, with what it imports, as the browser gets it. */
async function load(name) {
  const entry = fileURLToPath(new URL(`../src/${name}`, import.meta.url));
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: { write: false, minify: false, lib: { entry, formats: ["es"] } },
  });
  const [{ output }] = [built].flat();
  return import(`data:text/javascript,${encodeURIComponent(output[0].code)}`);
}
const { edges, parts } = await load("model/graph.ts");
const { fold, stepKey } = await load("model/events.ts");
const { timeline } = await load("model/timeline.ts");
const { change, formatOf, locate, read } = await load("model/document.ts");
const { parse, quantile, total } = await load("model/metrics.ts");
const { difference } = await load("model/difference.ts");
const { span } = await load("model/time.ts");
const { grantFor } = await load("pages/plugins/grant.ts");
const { bySchema } = await load("pages/workflow/schemas.ts");

test("steps follow each other, or what they need", () => {
  assert.deepEqual(edges([{ name: "a" }, { name: "b" }, { name: "c", needs: ["a"] }, { name: "d", needs: [] }]), [
    ["a", "b"],
    ["a", "c"],
  ]);
});

test("anything may stand where steps belong while somebody types", () => {
  const steps = [null, 7, { name: "a" }, { name: "b", type: "delay", needs: "a" }, { name: "b", type: "delay" }];
  const [[, drawn]] = parts({ steps });
  assert.deepEqual(drawn, [{ name: "b", type: "delay", needs: undefined }]);
  for (const steps of [undefined, null, "x", {}]) assert.deepEqual(parts({ steps })[0], ["", []]);
});

const at = (seconds) => new Date(seconds * 1000).toISOString();
const event = (seq, type, seconds, more) => ({ seq, type, at: at(seconds), step: "a", attempt: 1, ...more });

test("events are folded in order and once", () => {
  const [a, b, c] = [0, 1, 2].map((seq) => event(seq, "step-started", seq));
  const folded = [[a], [c], [b, c], [b]].reduce(fold, []);
  assert.deepEqual(
    folded.map((one) => one.seq),
    [0, 1, 2],
  );
  assert.equal(stepKey({ step: "a", iteration: 3 }), "a[3]");
});

test("a timeline has attempts, waits and pauses before a retry", () => {
  const events = [
    event(0, "run-created", 0, { step: undefined }),
    event(1, "step-retry-scheduled", 2, { started_at: at(1), until: at(4), failure: { code: "x", message: "no" } }),
    event(2, "step-suspended", 6, { attempt: 2, started_at: at(5), signal: "go" }),
    event(3, "step-resumed", 9),
    event(4, "step-succeeded", 10, { attempt: 2, started_at: at(5) }),
  ];
  const [lane] = timeline(events);
  assert.deepEqual(
    lane.spans.map(({ kind, from, to, outcome }) => [kind, from / 1000, to / 1000, outcome]),
    [
      ["attempt", 1, 2, "failed"],
      ["retry", 2, 5, undefined],
      ["attempt", 5, 6, undefined],
      ["wait", 6, 9, undefined],
      ["attempt", 9, 10, "success"],
    ],
  );
});

test("a delay is a wait, and what is under way is open until the run has ended", () => {
  const nap = [
    event(0, "step-suspended", 1, { started_at: at(0), until: at(3) }),
    event(1, "step-succeeded", 3.5, { started_at: at(0) }),
  ];
  const kinds = ([lane]) => lane.spans.map(({ kind, from, to }) => [kind, from / 1000, to && to / 1000]);
  assert.deepEqual(kinds(timeline(nap)), [
    ["attempt", 0, 1],
    ["wait", 1, 3],
    ["attempt", 3, 3.5],
  ]);
  assert.deepEqual(kinds(timeline(nap.slice(0, 1)))[1], ["wait", 1, undefined]);
  const cancelled = [...nap.slice(0, 1), event(1, "run-cancelled", 2, { step: undefined })];
  assert.deepEqual(kinds(timeline(cancelled))[1], ["wait", 1, 2]);
  const results = { b: { step_name: "b", status: "running", attempt: 1 } };
  assert.deepEqual(timeline(nap, results).map((lane) => lane.key), ["a", "b"]);
  assert.deepEqual(timeline([], {}), []);
});

test("an error's place is found in JSON and in YAML, or its nearest parent", () => {
  const json = '{"a": "x", "steps": [{"type": "one"}, {"type": "two"}]}';
  const yaml = "a: x\nsteps:\n  - type: one\n  - type: two # here\n";
  for (const text of [json, yaml]) {
    const [from, to] = locate(text, "/steps/1/type");
    assert.match(text.slice(from, to), /^"?two"?$/, text);
    assert.match(text.slice(...locate(text, "/steps/1/none")), /^(\{"type": "two"\}|type: two)/, text);
    assert.equal(locate(text, "")[0], 0);
  }
  for (const broken of ["", "{", "[1", '{"a', "}", "a: [", "- b:\n -c: {"]) {
    const [from, to] = locate(broken, "/a/b");
    assert.ok(0 <= from && from <= to && to <= broken.length, broken);
  }
});

test("a text that cannot be read says where", () => {
  assert.equal(formatOf(" {"), "json");
  assert.equal(formatOf("name: a"), "yaml");
  assert.deepEqual(read('{"a": 1}', "json").value, { a: 1 });
  assert.equal(read('{"a": }', "json").fault.at, 6);
  assert.equal(read("a: 1\nb: [", "yaml").fault.at > 4, true);
  assert.equal(read("a: &x 1\nb: *y", "yaml").fault !== undefined, true);
});

test("a changed place leaves the rest as it was written", () => {
  const yaml = "# kept\nsteps:\n  - name: a # and this\n    config:\n      duration: 1\n";
  assert.equal(change(yaml, "yaml", ["steps", 0, "config"], { duration: 2 }), yaml.replace("duration: 1", "duration: 2"));
  assert.deepEqual(JSON.parse(change('{"steps": []}', "json", ["steps", 0], { name: "b" })), { steps: [{ name: "b" }] });
});

test("metrics are read, added up and measured", () => {
  const text = (fast, slow) => `# HELP m_total what
m_total{plugin="a",result="ok"} 3
m_total{plugin="a \\"b\\"",result="ok"} 4
s_bucket{le="0.1"} ${fast}
s_bucket{le="1"} ${fast + slow}
s_bucket{le="+Inf"} ${fast + slow}
`;
  const now = parse(text(90, 10));
  assert.equal(total(now, "m_total"), 7);
  assert.equal(total(now, "m_total", { plugin: 'a "b"' }), 4);
  assert.equal(quantile(0.9, "s", now).toFixed(2), "0.10");
  assert.equal(quantile(0.95, "s", now).toFixed(2), "0.55");
  assert.equal(quantile(0.5, "s", now, now), null);
  assert.equal(quantile(0.5, "s", parse(text(90, 20)), now).toFixed(2), "0.55");
  assert.equal(quantile(0.5, "none", now), null);
});

test("values are compared place by place", () => {
  assert.deepEqual(difference({ a: [1, { b: 2 }], c: 3 }, { a: [1, { b: 5 }], d: null }), [
    { path: "/a/1/b", before: 2, after: 5 },
    { path: "/c", before: 3, after: undefined },
    { path: "/d", before: undefined, after: null },
  ]);
  assert.deepEqual(difference([1], { 0: 1 }).length, 1);
  assert.equal(difference(Array(500).fill(0), Array(500).fill(1), 10).length, 10);
});

test("lengths of time are said in two units at most", () => {
  const said = [0, 0.2, 340, 1250, 59_900, 61_000, 3_600_000, 93_784_000].map(span);
  assert.deepEqual(said, ["0 ms", "200 µs", "340 ms", "1.25 s", "59.9 s", "1 min 1 s", "1 h", "1 d 2 h"]);
});

test("a grant gives what is asked for, and a secret to the hosts alone that are", () => {
  const asks = ["http POST https://slack.com", "kv", "secret token", "directory data", "variable REGION", "reveal key"];
  assert.deepEqual(grantFor(asks, { http: ["https://a.example"] }), {
    http: ["https://a.example", "POST https://slack.com"],
    kv: true,
    secrets: { token: ["https://slack.com"] },
    directories: { data: "data" },
    variables: { REGION: "REGION" },
    reveal: ["key"],
  });
});

test("a form leaves to the text what it cannot show", () => {
  const schema = {
    required: ["n", "t"],
    properties: { n: { type: "number" }, t: { type: "string" }, any: {}, e: { enum: ["a", "b"] } },
  };
  const { schema: shown, left } = bySchema(schema, { n: "${payload.n}", t: "${payload.t}" });
  assert.deepEqual(Object.keys(shown.properties), ["t", "e"]);
  assert.deepEqual([left, shown.required], [["n", "any"], ["t"]]);
  assert.deepEqual(bySchema(schema, { n: 1 }).left, ["any"]);
  assert.equal(shown.additionalProperties, false);
});

test("a form offers choices between texts, and no choice between shapes without a name", () => {
  const $defs = {
    Escape: { oneOf: [{ type: "string", const: "none", description: "As it is." }, { type: "string", const: "html" }] },
    Form: { type: "object", properties: {} },
  };
  const properties = { a: { type: "string" }, escape: { $ref: "#/$defs/Escape", default: "none" }, form: { $ref: "#/$defs/Form" } };
  const either = [{ required: ["a"] }, { not: { required: ["a"] } }];
  const { schema, left } = bySchema({ $defs, properties, oneOf: either }, {});
  assert.deepEqual([Object.keys(schema.properties), left, schema.oneOf], [["a", "escape"], ["form"], undefined]);
  assert.deepEqual(schema.properties.escape, {
    type: "string",
    default: "none",
    oneOf: [
      { const: "none", title: "none: As it is." },
      { const: "html", title: "html" },
    ],
  });
  const shapes = [{ properties: { a: { const: "x" } } }, { required: ["a"] }];
  assert.deepEqual(bySchema({ properties, anyOf: shapes }, {}).schema.anyOf, shapes);
});
