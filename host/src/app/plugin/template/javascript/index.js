// Says hello. Replace it with what your connector does: an object an action.
import { connector, permanent } from "../millwork/index.js";
import * as log from "../millwork/log.js";

const greet = {
  name: "greet",
  title: "Greet",
  description: "Says hello to somebody.",
  readOnly: true,
  idempotent: true,
  configSchema: {
    type: "object",
    properties: { name: { type: "string", description: "Whom to greet." } },
    required: ["name"],
    additionalProperties: false,
  },
  outputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  examples: [{ title: "Greet Ada", config: { name: "Ada" } }],
  invoke({ name }) {
    if (name === "") throw permanent("nobody", "there is nobody to greet");
    log.info(`greeting ${name}`);
    return { text: `Hello, ${name}!` };
  },
};

export const plugin = connector({
  name: "{{name}}",
  version: "0.1.0",
  description: "Says hello. Write here what your connector does.",
  // As in [{ http: "https://api.example" }, { secret: "api-token" }, "kv"].
  asks: [],
  actions: [greet],
});
