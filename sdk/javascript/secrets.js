// Secrets that a connector may use without seeing them. The world in wit/ has to import millwork:secrets/secrets.
import { placeholder as ask } from "millwork:secrets/secrets@1.0.0";
import { permanent, retryable } from "./index.js";

/** A text for a URL, a header or a body, in whose place the host puts the secret on its way to a granted host. */
export function placeholder(name) {
  try {
    return ask(name);
  } catch (error) {
    const { tag, val } = error?.payload ?? error;
    throw tag === "unavailable" ? retryable("secret-unavailable", val) : permanent("secret-denied", val);
  }
}
