// Drives the console in Chromium. MILLWORK_CONSOLE: where it is served, with an empty server behind it.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const base = process.env.MILLWORK_CONSOLE;
const skip = base ? false : "MILLWORK_CONSOLE is not set; use make test-ui";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let browser, page;
const faults = [];
before(async () => {
  if (skip) return;
  mkdirSync("shots", { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(15_000);
  page.on(
    "console",
    (message) => message.type() === "error" && faults.push(`${message.text()} ${message.location().url}`),
  );
});
after(() => browser?.close());
async function look(name) {
  await page.screenshot({ path: `shots/${name}.png` });
  const found = await page.evaluate(`${axe}; axe.run({ runOnly: ["wcag2a", "wcag2aa"] })`);
  assert.deepEqual(
    found.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 200)}`),
    [],
    name,
  );
}
test("the first workflow takes two clicks, and its run is watched to its end", { skip }, async () => {
  await page.goto(`${base}/console/`);
  await page.getByText("Write the first workflow").click();
  await page.locator(".cm-content").waitFor();
  await look("new");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("button", { name: "Run it" }).click();
  await page.locator(".react-flow__node.success").nth(1).waitFor();
  await look("run");
});
test("an approval is given by the form", { skip }, async () => {
  const post = async (path, body) =>
    (
      await fetch(base + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      })
    ).json();
  const made = await post("/api/v1/workflows", {
    name: "asked",
    steps: [{ name: "ask", type: "signal.approval", config: { name: "go", question: "Shall it?" } }],
  });
  const { run_id } = await post("/api/v1/trigger", { workflow_id: made.workflow_id, payload: {} });
  await page.goto(`${base}/console/runs/${run_id}`);
  await page.getByLabel("Decision").selectOption({ label: "approved" });
  await look("approval");
  await page.getByRole("button", { name: "Send go" }).click();
  await page.locator(".react-flow__node.success").waitFor();
});
for (const name of ["runs", "workflows", "plugins", "system"]) {
  test(`${name} can be read by everybody`, { skip }, async () => {
    await page.goto(`${base}/console/${name}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle").catch(() => {});
    await look(name);
  });
}
test("no page broke the policy or failed", { skip }, () => assert.deepEqual(faults, []));
