// For tests under Node: stands in for the host, so that `node --import ./millwork/testing.mjs --test` runs a connector natively.
//
// What a test wants the host to answer it puts into `globalThis.host`: `host.replies` are the answers to HTTP requests, in order, and
// `host.secrets` the secrets by name. What the connector did is there as well: `host.requests`, `host.log`, `host.values`.
import { register } from "node:module";

globalThis.host = { replies: [], requests: [], log: [], secrets: {}, values: new Map() };

const modules = {
  "millwork:log/log": `export const write = (level, message, fields) => host.log.push({ level, message, fields });`,
  "millwork:http/client": `export function send(request) {
    host.requests.push(request);
    const reply = host.replies.shift();
    if (!reply) throw { tag: "connect", val: "the test has no further reply" };
    const { status = 200, headers = {}, body = "" } = reply;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return { status, headers: Object.entries(headers), body: new TextEncoder().encode(text), url: request.url };
  }`,
  "millwork:secrets/secrets": `export function placeholder(name) {
    if (!(name in host.secrets)) throw { tag: "denied", val: "there is no secret " + name };
    return host.secrets[name];
  }`,
  "millwork:kv/kv": `let version = 0;
  export const get = (key) => host.values.get(key);
  export function set(key, value, expected) {
    const found = host.values.get(key);
    const fits = expected.tag === "any" || (expected.tag === "absent" ? !found : found?.version === expected.val);
    if (!fits) throw { tag: "conflict", val: found?.version };
    host.values.set(key, { value, version: ++version });
    return version;
  }`,
};

const hooks = `
  const modules = ${JSON.stringify(modules)};
  export async function resolve(specifier, context, next) {
    const name = specifier.split("@")[0];
    if (!(name in modules)) return next(specifier, context);
    return { url: "data:text/javascript," + encodeURIComponent(modules[name]), shortCircuit: true };
  }`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
