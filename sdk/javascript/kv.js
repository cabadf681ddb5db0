// Small values kept between calls. The world in wit/ has to import millwork:kv/kv.
import { get as read, set as write } from "millwork:kv/kv@1.0.0";
import { decode, encode, permanent, retryable } from "./index.js";

/** The value of a key and its version; nothing where it is absent. */
export function get(key) {
  const entry = tried(() => read(key));
  return entry && { value: JSON.parse(decode(entry.value)), version: entry.version };
}

/** Writes a value, and gives back its version. `expected`: a version, "absent", or nothing for whatever is there. */
export function set(key, value, expected) {
  const wanted =
    expected === undefined ? { tag: "any" } : expected === "absent" ? { tag: "absent" } : { tag: "version", val: expected };
  return tried(() => write(key, encode(JSON.stringify(value)), wanted));
}

function tried(call) {
  try {
    return call();
  } catch (error) {
    const { tag, val } = error?.payload ?? error;
    const mayWork = tag === "unavailable" || tag === "conflict";
    throw (mayWork ? retryable : permanent)(`kv-${tag}`, String(val ?? tag));
  }
}
