// Drives the console in Chromium, on the real binary. MILLWORK_BIN says where that is (scripts/test-ui.sh).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import http from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { look, newPage, open, WAIT_MAX_MS } from "./support/browser.mjs";
import { Server, skip } from "./support/server.mjs";

const PLUGIN = fileURLToPath(new URL("../../host/plugin/tests/frozen/1.0.0/witness.wasm", import.meta.url));
/** A component that the build of the binary made on the way; scripts/test-ui.sh says where they are. */
const component = (name) => readFileSync(`${process.env.MILLWORK_COMPONENTS}/millwork_${name}.wasm`);
const ADMIN = "an-admin-token-of-this-test-alone";

/** With something of everything: branches, a loop, a retry, a failure, what is done at the end. */
const ORDERS = {
  name: "order fulfilment",
  description: "Takes an order to its customer.",
  triggers: [{ type: "schedule", cron: "0 9 * * 1-5", timezone: "Europe/Berlin" }],
  steps: [
    { name: "reserve", type: "delay", config: { duration: 0.6 }, compensate: { type: "template", config: { template: "given back" } } },
    { name: "label", type: "template", needs: ["reserve"], config: { template: "to ${payload.customer}" } },
    {
      name: "pack",
      type: "delay",
      needs: ["label"],
      foreach: "${payload.parcels}",
      max_parallel: 2,
      config: { duration: "${(index + 1) / 5}" },
    },
    {
      name: "charge",
      type: "webhook",
      needs: ["reserve"],
      config: { url: "http://127.0.0.1:9/charge", method: "POST", body: { customer: "${payload.customer}" } },
      retry: { max_attempts: 3, initial: "700ms", factor: 2, jitter: "none" },
    },
    { name: "ship", type: "delay", needs: ["charge", "pack"], config: { duration: 1 } },
  ],
  on_failure: [{ name: "tell", type: "template", config: { template: "failed: ${failure.code}" } }],
  finally: [{ name: "close", type: "delay", config: { duration: 0.3 } }],
};

/** Asks somebody something, with an expression in it. */
const RELEASE = {
  name: "release",
  steps: [
    { name: "build", type: "delay", config: { duration: 0.2 } },
    {
      name: "ask",
      type: "signal.approval",
      config: {
        name: "go",
        question: "Shall version ${payload.version} go out?",
        form: { properties: { channel: { type: "string", title: "To which channel" } }, required: ["channel"] },
        timeout: "24h",
      },
    },
    { name: "publish", type: "template", config: { template: "${payload.version} is out: ${ask.data.channel}" } },
  ],
};

let browser;
let server;
let page;
let faults;
before(async () => {
  if (skip) return;
  [browser, server] = await Promise.all([open(), Server.start()]);
  ({ page, faults } = await newPage(browser));
});
after(async () => {
  await browser?.close();
  await server?.remove();
});
/** A guest of the host's own tests as it describes itself in one of its ways: versions that ask for different things. */
function guest(way) {
  const wasm = component("guest_misbehave");
  const mark = "describe:";
  const at = wasm.indexOf(mark);
  assert.ok(at > 0, "the guest says somewhere how it describes itself");
  wasm.write(way.padEnd(20, "."), at + mark.length, "latin1");
  return wasm;
}

/** Drops a file on the place for plugins. */
async function drop(name, bytes) {
  const dataTransfer = await page.evaluateHandle(
    ([name, bytes]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0))], name));
      return transfer;
    },
    [name, bytes.toString("base64")],
  );
  await page.dispatchEvent(".drop", "drop", { dataTransfer });
}

/** Has runs come for a while, so that the charts have something to show. */
async function keepBusy(workflow) {
  for (let at = 0; at < 60; at++) {
    const few = Array.from({ length: 1 + (at % 7) }, () => server.trigger(workflow));
    await Promise.all(few);
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function until(holds) {
  for (const end = Date.now() + WAIT_MAX_MS; !holds(); ) {
    assert.ok(Date.now() < end, `${holds} does not come to hold`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

const go = (path) => page.goto(`${server.base}/console${path}`);
const noFaults = () => assert.deepEqual(faults.splice(0), [], "what went wrong on the pages");

test("the first load is under 300 KB compressed", { skip }, async () => {
  const sizes = [];
  page.on("response", (answer) => sizes.push(answer.request().sizes().then((size) => size.responseBodySize)));
  await go("/");
  await page.getByText("No runs yet").waitFor();
  const bytes = (await Promise.all(sizes)).reduce((sum, one) => sum + one, 0);
  page.removeAllListeners("response");
  assert.ok(bytes > 50_000 && bytes < 300_000, `${bytes} bytes`);
  await look(page, "empty");
});

test("the first workflow takes two clicks, and its run is watched to its end", { skip }, async () => {
  await go("/");
  await page.getByText("Write the first workflow").click();
  await page.locator(".cm-content").waitFor();
  await page.getByText("the server would take this").waitFor();
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("button", { name: "Run it" }).click();
  await page.locator(".react-flow__node.success").nth(1).waitFor();
  await page.getByText("success").first().waitFor();
  noFaults();
});

test("an error is shown at its line while it is typed, in YAML and in JSON", { skip }, async () => {
  await go("/workflows/new");
  const editor = page.locator(".cm-content");
  await editor.waitFor();
  const type = async (text) => {
    await editor.click();
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText(text);
  };
  await type("name: typed\nsteps:\n  - name: nap\n    type: delay\n    config: {duration: -1}\n  - name: b\n    type: dely\n");
  await page.getByText("2 things are wrong").waitFor();
  const marked = page.locator(".cm-lint-marker-error");
  await marked.nth(1).waitFor();
  const line = async (at) => {
    const [mark, lines] = [await marked.nth(at).boundingBox(), await page.locator(".cm-line").all()];
    for (const [number, one] of lines.entries()) {
      const box = await one.boundingBox();
      if (box && Math.abs(box.y - mark.y) < 5) return number + 1;
    }
  };
  assert.deepEqual([await line(0), await line(1)], [5, 7]);
  await page.getByText('did you mean "delay"').waitFor();
  await look(page, "errors");
  await page.getByRole("button", { name: "JSON" }).click();
  await page.locator(".cm-line", { hasText: '"duration": -1' }).waitFor();
  await type('{"name": "typed", "steps": [');
  await page.getByText("One thing is wrong").waitFor();
  await page.getByRole("button", { name: "YAML" }).click();
  await page.getByText("Only a text that can be read").waitFor();
  noFaults();
});

test("a step is configured by a form from its plugin's schema, and comments stay", { skip }, async () => {
  await go("/workflows/new");
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+Home");
  await page.keyboard.insertText("# by hand\n");
  await page.getByLabel("Add a step").selectOption("webhook");
  await page.getByLabel("url", { exact: false }).first().fill("https://example.com/orders");
  await page.locator(".cm-line", { hasText: "https://example.com/orders" }).waitFor();
  await page.locator(".cm-line", { hasText: "# by hand" }).waitFor();
  await look(page, "form");
  noFaults();
});

test("a run of forty steps is watched live", { skip }, async () => {
  const steps = Array.from({ length: 40 }, (_, at) => ({
    name: `step-${at + 1}`,
    type: at % 4 === 3 ? "delay" : "template",
    needs: at === 0 ? [] : [`step-${at < 4 ? 1 : at - 2}`],
    config: at % 4 === 3 ? { duration: 0.4 } : { template: `this is ${at + 1}` },
  }));
  // What begins waits until the page is there.
  steps[0] = { name: "step-1", type: "signal", config: { name: "begin" } };
  const workflow = await server.create({ name: "forty", description: "Forty steps.", steps });
  const run = await server.trigger(workflow);
  await go(`/runs/${run}`);
  await page.locator(".react-flow__node").nth(39).waitFor();
  await page.locator(".react-flow__node.waiting").waitFor();
  const seen = new Set();
  const watch = setInterval(async () => seen.add(await page.locator(".react-flow__node.success").count().catch(() => 0)), 100);
  await server.send("POST", `/api/v1/runs/${run}/signals/begin`, {});
  await page.locator(".react-flow__node.success").nth(39).waitFor();
  clearInterval(watch);
  assert.ok(seen.size > 4, `the graph was seen with ${[...seen].join(", ")} steps done`);
  assert.equal(await page.locator(".timeline ol > li").count(), 40);
  await page.getByRole("status").filter({ hasText: "broken" }).waitFor({ state: "detached" }).catch(() => {});
  await look(page, "live");
  noFaults();
});

test("an approval is given by its form", { skip }, async () => {
  const run = await server.trigger(await server.create(RELEASE), { version: "1.2.3" });
  await go(`/runs/${run}`);
  await page.getByText("Shall version 1.2.3 go out?", { exact: true }).waitFor();
  await page.getByLabel("Decision").selectOption({ label: "approved" });
  await page.getByRole("button", { name: "Send go" }).click();
  await page.getByText("This is needed.").waitFor();
  await page.getByLabel("To which channel").fill("stable");
  await look(page, "approval");
  await page.getByRole("button", { name: "Send go" }).click();
  await page.locator(".react-flow__node.success").nth(2).waitFor();
  await page.locator("summary", { hasText: "publish" }).click();
  await page.getByText('"1.2.3 is out: stable"').waitFor();
  noFaults();
});

test("a run is paused, resumed, cancelled, retried from a step, and compared", { skip }, async () => {
  const workflow = await server.create({
    name: "controlled",
    steps: [
      { name: "first", type: "template", config: { template: "for ${payload.name}" } },
      { name: "rest", type: "delay", config: { duration: 600 } },
    ],
  });
  const other = await server.trigger(workflow, { name: "Ada" });
  await server.send("POST", `/api/v1/runs/${other}/cancel`, {});
  const run = await server.trigger(workflow, { name: "Bob" });
  await go(`/runs/${run}`);
  await page.locator(".react-flow__node.waiting").waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByLabel("Reason").fill("a look first");
  await page.getByRole("dialog").getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel the run" }).click();
  await page.locator("summary", { hasText: "first" }).click();
  await page.getByRole("button", { name: "Retry from first" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Retry" }).click();
  await page.getByText("retried 1×").waitFor();
  await page.locator(".react-flow__node.waiting").waitFor();
  await page.getByRole("button", { name: "Kill", exact: true }).click();
  await page.getByRole("button", { name: "Kill the run" }).click();
  await page.getByRole("button", { name: "Retry …" }).waitFor();
  await page.getByLabel("Compare with another run").selectOption(other);
  await page.getByRole("cell", { name: '"Bob"' }).waitFor();
  await look(page, "compare");
  noFaults();
});

test("what failed leads to the page about it", { skip }, async () => {
  const step = { name: "fetch", type: "webhook", config: { url: `${server.base}/nothing`, method: "GET" } };
  const next = { name: "use", type: "template", config: { template: "${fetch}" } };
  const run = await server.trigger(await server.create({ name: "fails", steps: [step, next] }));
  await go(`/runs/${run}`);
  // What comes behind is not done any more, and does not look as if it were yet to come.
  await page.locator(".react-flow__node.not-reached", { hasText: "use" }).getByText("not reached").waitFor();
  assert.equal(await page.getByText("pending").count(), 0);
  await page.getByRole("link", { name: "What http-404 means" }).first().click();
  await page.locator("tr.chosen", { hasText: "accept_status" }).waitFor();
  await look(page, "error");
  noFaults();
});

test("a new version is saved, and how it differs can be read", { skip }, async () => {
  const workflow = await server.create({
    name: "versions",
    triggers: [{ type: "schedule", cron: "0 9 * * 1-5", timezone: "Europe/Berlin" }],
    steps: [{ name: "nap", type: "delay", config: { duration: 1 } }],
  });
  await go(`/workflows/${workflow}`);
  await page.getByText("0 9 * * 1-5").last().waitFor();
  await page.getByRole("combobox", { name: /^Step/ }).selectOption("nap");
  await page.getByLabel("duration").first().fill("2");
  await page.keyboard.press("Tab");
  await page.locator(".cm-line", { hasText: "duration: 2" }).waitFor();
  await page.getByRole("button", { name: "Save a new version" }).click();
  await page.getByText("version 2", { exact: true }).first().waitFor();
  await page.locator(".change .before", { hasText: "1" }).waitFor();
  await look(page, "workflow");
  noFaults();
});

test("a workflow with an input asks for it by a form", { skip }, async () => {
  await go("/workflows/new?from=each");
  await page.getByText("the server would take this").waitFor();
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("button", { name: "Run it …" }).click();
  await page.getByRole("textbox", { name: /Items-1/ }).fill("zero");
  await look(page, "input");
  await page.getByRole("button", { name: "Start the run" }).click();
  await page.locator(".react-flow__node.success", { hasText: "3/3" }).waitFor();
  // By keys: the step of the graph, then one of its iterations.
  await page.locator(".react-flow__node").focus();
  await page.keyboard.press("Enter");
  const retry = page.getByRole("button", { name: "Retry from each[1]" });
  await retry.focus();
  await page.keyboard.press("Enter");
  await page.getByText("each[1] is done again, and every step that comes after it.").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Retry" }).press("Enter");
  await page.getByText("retried 1×").waitFor();
  await page.locator(".react-flow__node.success", { hasText: "3/3" }).waitFor();
  const again = page.getByRole("region", { name: "Journal" }).getByRole("row").filter({ hasText: "step-succeeded" });
  await again.nth(3).waitFor();
  const done = await again.getByText(/^each\[/).allTextContents();
  assert.deepEqual([done.slice(0, 3).sort(), done.slice(3)], [["each[0]", "each[1]", "each[2]"], ["each[1]"]]);
  noFaults();
});

test("a plugin is uploaded by dropping it, granted, disabled and removed", { skip }, async () => {
  await go("/plugins");
  await drop("slack.wasm", component("plugin_slack"));
  await page.getByText(/slack .+ is installed/).waitFor();
  const slack = page.getByRole("region", { name: /^slack/ });
  await slack.getByRole("button", { name: "Grant what it asks for" }).click();
  await slack.getByRole("button", { name: "Grant this" }).waitFor();
  await slack.evaluate((card) => card.scrollIntoView());
  await look(page, "ask");
  await slack.getByRole("button", { name: "Leave it" }).click();
  await drop("witness.wasm", readFileSync(PLUGIN));
  await page.getByText("witness 1.0.0 is installed").waitFor();
  const card = page.getByRole("region", { name: /^witness/ });
  await card.getByText("not granted").first().waitFor();
  await card.getByRole("button", { name: "Grant what it asks for" }).click();
  await card.getByRole("button", { name: "Grant this" }).scrollIntoViewIfNeeded();
  await look(page, "grant");
  await card.getByRole("button", { name: "Grant this" }).click();
  await card.getByText("not granted").first().waitFor({ state: "detached" });
  await card.scrollIntoViewIfNeeded();
  await look(page, "plugins");
  await card.getByRole("button", { name: "Disable" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await card.getByRole("button", { name: "Enable" }).click();
  await card.getByRole("button", { name: "Remove 1.0.0" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove 1.0.0" }).click();
  await card.waitFor({ state: "detached" });
  // What is no component is refused, with a way on.
  await page.setInputFiles("input[type=file]", { name: "no.wasm", mimeType: "application/wasm", buffer: Buffer.from("no") });
  await page.getByRole("link", { name: "What this error means" }).waitFor();
  faults.splice(0);
});

test("a version of a plugin that asks for more shows what, and waits for consent", { skip }, async () => {
  await go("/plugins");
  await drop("guest.wasm", guest("modest"));
  await page.getByText("misbehave 0.9.0 is installed").waitFor();
  const card = page.getByRole("region", { name: /^misbehave/ });
  await card.getByText("active", { exact: true }).waitFor();
  const uses = (type) => server.create({ name: "uses", steps: [{ name: "keep", type, config: {} }] });
  await uses("misbehave.kv");
  await drop("guest.wasm", guest("well"));
  await page.getByText("misbehave 1.0.0 is installed").waitFor();
  await card.getByText("awaiting-consent", { exact: true }).waitFor();
  const asks = await card.getByRole("alert").getByRole("listitem").allTextContents();
  assert.deepEqual(asks.map((one) => one.trim()).sort(), ["as before kv", "new http *", "new secret token"]);
  await card.scrollIntoViewIfNeeded();
  await look(page, "consent");
  // Until somebody agrees, the version before is used, and the new one is refused.
  await uses("misbehave.kv");
  await assert.rejects(uses("misbehave.kv@1"), /http \*, secret token/);
  await card.getByRole("button", { name: "Agree to these" }).click();
  await card.getByText("active", { exact: true }).waitFor();
  await card.getByRole("alert").waitFor({ state: "detached" });
  await uses("misbehave.kv@1");
  await card.getByText("2 versions, and how what they ask for differs").click();
  await card.getByText("new http *").waitFor();
  noFaults();
  // While a run needs it, it cannot be removed.
  const held = [{ name: "wait", type: "signal" }, { name: "keep", type: "misbehave.kv@1" }];
  const run = await server.trigger(await server.create({ name: "holds", steps: held }));
  const remove = async (version) => {
    await card.getByRole("button", { name: `Remove ${version}` }).click();
    await page.getByRole("dialog").getByRole("button", { name: `Remove ${version}` }).click();
  };
  await remove("1.0.0");
  await page.getByRole("dialog").getByRole("link", { name: "What this error means" }).waitFor();
  await page.keyboard.press("Escape");
  await server.send("POST", `/api/v1/runs/${run}/kill`, {});
  await remove("1.0.0");
  await card.getByText("2 versions, and how what they ask for differs").waitFor({ state: "detached" });
  await remove("0.9.0");
  await card.waitFor({ state: "detached" });
  faults.splice(0);
});

test("what did not arrive at a webhook is listed with its reason, and sent again", { skip }, async () => {
  let answer = 503;
  const came = [];
  const shop = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      came.push(answer);
      response.writeHead(answer).end();
    });
  });
  await new Promise((done) => shop.listen(0, "127.0.0.1", done));
  const hook = `[events.webhooks.shop]\nurl = "http://127.0.0.1:${shop.address().port}/hooks"\nsecrets = [{ env = "SHOP_HOOK" }]\n`;
  const telling = await Server.start({
    env: { SHOP_HOOK: `whsec_${Buffer.alloc(32, 7).toString("base64")}` },
    config: `[events]\nretry_for = "1s"\n${hook}`,
  });
  const { page, faults } = await newPage(browser);
  try {
    await page.goto(`${telling.base}/console/system/deliveries`);
    await page.getByText("Everything has arrived").waitFor();
    const workflow = await telling.create({ name: "told", steps: [{ name: "say", type: "template", config: { template: "x" } }] });
    const runs = [await telling.trigger(workflow), await telling.trigger(workflow)];
    const rows = page.locator("table.deliveries tbody tr");
    await rows.filter({ hasText: "given up" }).nth(1).waitFor();
    await rows.first().getByText("the webhook answered 503").waitFor();
    await look(page, "deliveries");
    answer = 204;
    await rows.filter({ hasText: runs[0].slice(-6) }).getByRole("button", { name: "Send again" }).click();
    await rows.nth(1).waitFor({ state: "detached" });
    await rows.getByRole("link").click();
    await page.getByRole("region", { name: "Who was not told" }).getByText("shop has not been told").waitFor();
    await page.getByRole("link", { name: "Deliveries of this run" }).click();
    await rows.first().waitFor();
    assert.match(page.url(), new RegExp(`run_id=${runs[1]}`));
    await page.getByRole("button", { name: /^Of all runs/ }).click();
    await page.getByRole("button", { name: "given up", exact: true }).click();
    await page.getByRole("button", { name: "Send again what was given up …" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Send again what was given up" }).click();
    await page.getByRole("link", { name: "Show all deliveries" }).click();
    await page.getByText("Everything has arrived").waitFor();
    assert.equal(came.filter((one) => one === 204).length, 2, "each arrived once");
    assert.deepEqual(faults, []);
  } finally {
    await page.context().close();
    await telling.remove();
    shop.close();
  }
});

test("a page that is open while the server is killed goes on where it was", { skip }, async () => {
  const workflow = await server.create({
    name: "survives",
    steps: [
      { name: "before", type: "template", config: { template: "before" } },
      { name: "wait", type: "signal", config: { name: "go" } },
      { name: "behind", type: "template", config: { template: "behind" } },
    ],
  });
  const run = await server.trigger(workflow);
  const resumed = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/events")) resumed.push(request.headers()["last-event-id"]);
  });
  await go(`/runs/${run}`);
  await page.locator(".react-flow__node.waiting").waitFor();
  assert.deepEqual(resumed, [undefined]);
  await server.kill();
  await page.getByText("The connection is broken").waitFor();
  await server.run();
  await page.getByText("The connection is broken").waitFor({ state: "detached" });
  assert.match(resumed.at(-1), /^[1-9]\d*$/, "it goes on behind the last event that came");
  await server.send("POST", `/api/v1/runs/${run}/signals/go`, {});
  await page.locator(".react-flow__node.success").nth(2).waitFor();
  const seqs = await page.locator("table tbody tr td:first-child").allTextContents();
  assert.deepEqual(seqs, [...new Set(seqs)], "no event is shown twice");
  page.removeAllListeners("request");
  // What was asked for while nobody answered comes by itself.
  await go("/workflows");
  await page.getByRole("link", { name: "survives", exact: true }).waitFor();
  await server.kill();
  await page.getByLabel("Search").fill("survives");
  await page.keyboard.press("Enter");
  await page.getByText("The server does not answer").waitFor();
  await server.run();
  await page.getByRole("link", { name: "survives", exact: true }).waitFor();
  faults.splice(0);
});

test("ticked runs are cancelled, and all that a filter finds, by a job", { skip }, async () => {
  const workflow = await server.create({ name: "newsletter", steps: [{ name: "rest", type: "delay", config: { duration: 600 } }] });
  await Promise.all(Array.from({ length: 30 }, () => server.trigger(workflow)));
  await go(`/runs?workflow_id=${workflow}`);
  await page.locator(".row").first().waitFor();
  for (const at of [0, 1]) await page.locator(".row input").nth(at).check();
  await page.getByRole("group", { name: "Chosen runs" }).getByRole("button", { name: "cancel" }).click();
  await page.getByText("cancel: 2 of 2 done").waitFor();
  await page.getByRole("button", { name: "Act on all of these" }).click();
  await page.getByRole("button", { name: "Only count them" }).click();
  await page.getByText(/^28 found$/).waitFor();
  await look(page, "bulk");
  await page.getByRole("button", { name: "Start: cancel" }).click();
  await page.getByText(/28 found, 28 done/).waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: /cancelled 30/ }).click();
  assert.match(page.url(), /status=cancelled/);
  await page.getByText("30 runs, which are all").waitFor();
  noFaults();
});

test("runs are found by several labels, which stand in the address", { skip }, async () => {
  const workflow_id = await server.create({ name: "invoice", steps: [{ name: "rest", type: "delay", config: { duration: 600 } }] });
  const all = [{ customer: "7", team: "shop" }, { customer: "7", team: "post" }, { customer: "8", team: "shop" }];
  for (const labels of all) await server.send("POST", "/api/v1/trigger", { workflow_id, labels });
  await go("/runs");
  const rows = page.locator(".row");
  await page.getByLabel("Label", { exact: true }).fill("customer:7");
  await page.keyboard.press("Enter");
  await page.getByText("2 runs, which are all").waitFor();
  await page.getByLabel("Label", { exact: true }).fill("team:shop");
  await page.keyboard.press("Enter");
  await page.getByText("1 run, which is all").waitFor();
  await rows.getByText("customer:7 team:shop").waitFor();
  assert.match(page.url(), /label=customer%3A7&label=team%3Ashop/);
  await page.reload();
  await page.getByText("1 run, which is all").waitFor();
  await look(page, "labels");
  await page.getByRole("button", { name: "Act on all of these" }).click();
  await page.getByRole("button", { name: "Only count them" }).click();
  await page.getByText(/^1 found$/).waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Take out the label customer:7" }).click();
  await page.getByText("2 runs, which are all").waitFor();
  noFaults();
});

test("the console is used by keys alone", { skip }, async () => {
  await go("/runs");
  await page.locator(".row").first().waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("w");
  await page.getByRole("heading", { level: 1, name: "Workflows" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("newsletter");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "newsletter", exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await go("/runs");
  await page.locator(".list").focus();
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.getByText("1 chosen").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  noFaults();
});

test("a secret is given and a token is made", { skip }, async () => {
  await go("/access/secrets");
  await page.getByText("No secrets yet").waitFor();
  await page.getByLabel("Name").fill("shop-key");
  await page.getByLabel("Value").fill("a secret of this test");
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("cell", { name: "shop-key" }).waitFor();
  await look(page, "secrets");
  await page.getByRole("link", { name: "tokens" }).click();
  await page.getByLabel("What it is for").fill("shop");
  await page.getByRole("button", { name: "Make a token" }).click();
  await page.getByText("Authorization: Bearer mw_").waitFor();
  await page.getByRole("button", { name: "I have it" }).click();
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("button", { name: "Revoke shop" }).click();
  await page.getByText("revoked").waitFor();
  await page.getByRole("link", { name: "audit" }).click();
  await page.getByRole("cell", { name: "create_token" }).waitFor();
  await look(page, "audit");
  noFaults();
});

for (const colorScheme of ["light", "dark"]) {
  test(`every page can be read by everybody, when it is ${colorScheme}`, { skip }, async () => {
    const { page, faults } = await newPage(browser, { colorScheme });
    const workflow = await server.create(ORDERS);
    const run = await server.trigger(workflow, { customer: "Ada", parcels: ["A-1", "A-2", "A-3", "A-4", "A-5"] });
    const other = await server.trigger(workflow, { customer: "Bob", parcels: ["B-1"] });
    const asking = await server.trigger(await server.create(RELEASE), { version: "1.2.3" });
    const nap = { name: "nap", type: "delay", config: { duration: "${1 / 5}" } };
    const busy = await server.create({ name: "reminder", steps: [nap, { name: "say", type: "template", config: { template: "It was ${nap.duration}." } }] });
    const waited = { run: ".react-flow__node.failed", waiting: ".question", definition: ".verdict .success", compare: "table.compare" };
    const pages = {
      runs: "/runs?window=1",
      run: `/runs/${run}`,
      waiting: `/runs/${asking}`,
      compare: `/runs/${run}/compare/${other}`,
      workflows: "/workflows",
      definition: `/workflows/${workflow}`,
      catalogue: "/plugins",
      system: "/system",
      deliveries: "/system/deliveries",
      secrets: "/access/secrets",
      tokens: "/access/tokens",
      audit: "/access/audit",
      failures: "/errors/failed-runs",
      nowhere: "/no/such/page",
    };
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(`${server.base}/console${path}`);
      await page.getByRole("heading", { level: 1 }).waitFor();
      if (waited[name]) await page.locator(waited[name]).first().waitFor();
      if (name === "system") {
        // What would show nothing says that it gathers, until it has something to show.
        await page.getByText(/^Gathering: a line takes two looks/).first().waitFor();
        await page.locator("figure", { hasText: "Throughput" }).locator("canvas").waitFor();
        await keepBusy(busy);
        await page.locator("figure", { hasText: "Lag" }).locator("canvas").waitFor();
      }
      await page.waitForTimeout(500);
      await look(page, `${name}-${colorScheme}`);
    }
    await server.send("POST", `/api/v1/runs/${asking}/cancel`, {});
    assert.deepEqual(faults, []);
    await page.context().close();
  });
}

test("where a token is asked for, it is entered once and kept until the tab is closed", { skip }, async () => {
  const guarded = await Server.start({ env: { MILLWORK_ADMIN_TOKEN: ADMIN } });
  const { page, faults } = await newPage(browser);
  try {
    await page.goto(`${guarded.base}/console/runs`);
    await page.getByLabel("Token").fill("not the token at all");
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("heading", { name: "This server asks for a token" }).waitFor();
    await look(page, "sign-in");
    await page.getByLabel("Token").fill(ADMIN);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByText("No runs yet").waitFor();
    await page.reload();
    await page.getByText("Write the first workflow").click();
    await page.getByText("the server would take this").waitFor();
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("button", { name: "Run it" }).click();
    await page.locator(".react-flow__node.success").nth(1).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "This server asks for a token" }).waitFor();
    const beyond = faults.filter((one) => !one.includes("401"));
    assert.deepEqual(beyond, []);
  } finally {
    await page.context().close();
    await guarded.remove();
  }
});

test("a list of 100,000 runs costs what is on the screen, however long it is", { skip }, async () => {
  const workflow = await server.create({
    name: "many",
    steps: [{ name: "none", type: "delay", if: false, config: { duration: 1 } }],
  });
  await server.triggerThousands(workflow, 100);
  /** What was read of the list, in the order in which it came. */
  const read = [];
  page.on("response", async (answer) => {
    const { pathname, searchParams } = new URL(answer.url());
    if (pathname !== "/api/v1/runs") return;
    const one = { cursor: searchParams.get("cursor"), isNews: searchParams.get("order") === "asc", bytes: 0 };
    read.push(one);
    one.bytes = (await answer.body().catch(() => "")).length;
  });
  const older = () => read.filter((one) => !one.isNews);
  const onPage = () => page.evaluate(() => ["*", ".row"].map((all) => document.querySelectorAll(all).length));

  await go(`/runs?workflow_id=${workflow}`);
  await page.locator(".row").first().waitFor();
  await page.getByRole("button", { name: /all 100,000/ }).waitFor();
  assert.deepEqual([...new Set(older().map((one) => one.cursor))], [null], "a page is enough to begin with");
  const [, rowsAtFirst] = await onPage();

  // Down to the end of what was read, again and again, and back up in strides.
  const most = await page.evaluate(async (pages) => {
    const list = document.querySelector(".list");
    const most = { rows: 0, elements: 0 };
    const frame = async () => {
      await new Promise(requestAnimationFrame);
      most.rows = Math.max(most.rows, document.querySelectorAll(".row").length);
      most.elements = Math.max(most.elements, document.querySelectorAll("*").length);
    };
    const row = document.querySelector(".row").getBoundingClientRect().height;
    while (list.scrollHeight < pages * 200 * row) {
      list.scrollTop = list.scrollHeight;
      await frame();
    }
    for (let top = list.scrollHeight; top > 0; top -= 2_000) {
      list.scrollTop = top;
      await frame();
    }
    return most;
  }, 25);
  const shown = await page.getByText(/runs read so far/).textContent();
  const pages = Number(shown.replace(",", "").match(/^\d+/)[0]) / 200;
  assert.ok(pages >= 25, shown);
  assert.ok(most.rows < 100 && most.elements < 2_500, JSON.stringify(most));
  const cursors = new Set(older().map((one) => one.cursor));
  // One may be on its way still.
  assert.ok(cursors.size - pages <= 1, `${pages} pages are shown, ${cursors.size} were read`);
  const largest = Math.max(...read.map((one) => one.bytes));
  assert.ok(largest > 10_000 && largest < 200_000, `a page of the list has ${largest} bytes at most`);

  // In the middle of it, one look at what changes takes what is on the screen, and what is new.
  await page.locator(".list").evaluate((list) => (list.scrollTop = list.scrollHeight / 2));
  const seen = read.length;
  const looks = () => read.slice(seen).flatMap((one, at) => (one.isNews ? [at] : []));
  await until(() => looks().length > 3);
  const [, first, ...rest] = looks();
  for (const [at, next] of rest.entries()) {
    const between = next - (rest[at - 1] ?? first) - 1;
    assert.ok(between >= 1 && between <= 2, `a look read ${between} pages`);
  }
  const [elements, rows] = await onPage();
  assert.ok(rows >= rowsAtFirst && rows < 100, `${rows} rows`);
  page.removeAllListeners("response");
  console.log(`100,000 runs: ${pages} pages read, ${largest} bytes at most; ${most.rows} rows and ${most.elements} elements at most, ${elements} at the end`);
  await page.locator(".list").evaluate((list) => (list.scrollTop = 0));
  await look(page, "many");
  noFaults();
});
