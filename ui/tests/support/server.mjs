// A server of the binary under test, with an empty folder, that can be stopped and started again.
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BIN = process.env.MILLWORK_BIN;
/** Debug builds on a busy machine compile their plugins for a while at the first start. */
const START_MAX_MS = 120_000;

/** Half a minute where nothing else runs. */
const THOUSANDS_MAX_MS = 900_000;

/** What this is run with says nothing to the server, which refuses variables that it does not know. */
const OUTSIDE = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("MILLWORK_")));

export const skip = BIN ? false : "MILLWORK_BIN is not set; use make test-ui";

async function freePort() {
  const listener = createServer();
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  const { port } = listener.address();
  await new Promise((done) => listener.close(done));
  return port;
}

export class Server {
  constructor(port, env, config) {
    this.base = `http://127.0.0.1:${port}`;
    this.port = port;
    this.env = env;
    this.folder = mkdtempSync(join(tmpdir(), "millwork-console-"));
    writeFileSync(join(this.folder, "millwork.toml"), config);
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
  }

  /** With these variables and this configuration beside what every test has. */
  static async start({ env = {}, config = "" } = {}) {
    const server = new Server(await freePort(), env, config);
    await server.run();
    return server;
  }

  async run() {
    const log = openSync(join(this.folder, "log"), "a");
    const config = join(this.folder, "millwork.toml");
    const args = ["serve", "--config", config, "--listen", `127.0.0.1:${this.port}`, "--data-dir", join(this.folder, "data")];
    this.process = spawn(BIN, args, { stdio: ["ignore", log, log], env: { ...OUTSIDE, ...this.env } });
    const ended = new Promise((_, fail) => {
      this.process.once("exit", (code) => fail(new Error(`the server ended with ${code}:\n${this.log()}`)));
    });
    ended.catch(() => {});
    const healthy = async () => {
      for (const until = Date.now() + START_MAX_MS; Date.now() < until; ) {
        const answer = await fetch(`${this.base}/health/ready`).catch(() => undefined);
        if (answer?.ok) return;
        await new Promise((done) => setTimeout(done, 100));
      }
      throw new Error(`the server is not ready after ${START_MAX_MS} ms:\n${this.log()}`);
    };
    await Promise.race([healthy(), ended]);
  }

  log() {
    return readFileSync(join(this.folder, "log"), "utf8").slice(-4000);
  }

  /** Kills it, as a crash does. */
  async kill() {
    if (this.process.exitCode !== null) return;
    const gone = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGKILL");
    await gone;
  }

  async remove() {
    await this.kill();
    this.agent.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Sends JSON and gives the answer; a refusal is an error. */
  send(method, path, body, headers = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((done, fail) => {
      const request = http.request(
        `${this.base}${path}`,
        { method, agent: this.agent, headers: { ...(text && { "content-type": "application/json" }), ...headers } },
        (answer) => {
          let said = "";
          answer.on("data", (part) => (said += part));
          answer.on("end", () =>
            answer.statusCode < 300
              ? done(said ? JSON.parse(said) : undefined)
              : fail(new Error(`${method} ${path}: ${answer.statusCode} ${said}`)),
          );
        },
      );
      request.on("error", fail);
      request.end(text);
    });
  }

  async create(definition) {
    return (await this.send("POST", "/api/v1/workflows", definition)).workflow_id;
  }

  async trigger(workflow_id, payload = {}) {
    return (await this.send("POST", "/api/v1/trigger", { workflow_id, payload })).run_id;
  }

  /** Has a workflow run so many thousand times: each run of another workflow begins a thousand, which is faster than to ask for each. */
  async triggerThousands(workflow, thousands) {
    const config = { workflow, wait: false };
    const each = { name: "each", type: "workflow", foreach: "${range(1000) | list}", max_parallel: 100, config };
    const spawner = await this.create({ name: "begins a thousand", steps: [each] });
    await Promise.all(Array.from({ length: thousands }, () => this.trigger(spawner)));
    const path = `/api/v1/stats?workflow_id=${workflow}`;
    for (const until = Date.now() + THOUSANDS_MAX_MS; Date.now() < until; ) {
      const { runs } = await this.send("GET", path);
      if (runs.success === thousands * 1000) return;
      await new Promise((done) => setTimeout(done, 500));
    }
    throw new Error(`not all have ended after ${THOUSANDS_MAX_MS} ms: ${JSON.stringify(await this.send("GET", path))}`);
  }
}
