// What a connector says while it runs. The world in wit/ has to import millwork:log/log.
import { write } from "millwork:log/log@1.0.0";

const at = (level) => (message, fields = {}) =>
  write(level, String(message), Object.entries(fields).map(([name, value]) => [name, String(value)]));

export const debug = at("debug");
export const info = at("info");
export const warn = at("warn");
export const error = at("error");
