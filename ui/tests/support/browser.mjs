// Chromium, and how a page is looked at: a picture of it, and what axe finds.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const SHOTS = new URL("../../shots/", import.meta.url).pathname;
/** A shared machine may stand still for a while. */
export const WAIT_MAX_MS = Number(process.env.WAIT_MAX_MS ?? 120_000);

export async function open() {
  mkdirSync(SHOTS, { recursive: true });
  return chromium.launch({
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
}

/** A page, and what went wrong on it: errors of scripts, what the policy refused, answers that no page expected. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MAX_MS);
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`${message.text()} ${message.location().url}`);
  });
  return { page, faults };
}

/** Takes the picture `name`, and looks whether everybody can read the page, in the theme that it has. */
export async function look(page, name) {
  // What moves is neither in the picture nor measured half way.
  await page.addStyleTag({ content: "*, *::before, *::after { animation: none !important; transition: none !important }" });
  await page.screenshot({ path: `${SHOTS}${name}.png` });
  const found = await page.evaluate(`${axe}; axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })`);
  const told = found.violations.flatMap((one) =>
    one.nodes.slice(0, 3).map((node) => `${one.id}: ${node.html.slice(0, 160)} ${node.failureSummary?.split("\n")[1] ?? ""}`),
  );
  assert.deepEqual(told, [], `${name}: what axe found`);
}
