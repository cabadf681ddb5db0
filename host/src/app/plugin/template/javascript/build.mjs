// Makes the component: the connector, the SDK and a JavaScript engine in one file.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { componentize } from "componentize-qjs";

const entry = resolve("src/index.js");
const { component } = await componentize({
  witPath: resolve("wit"),
  world: "plugin-world",
  jsSource: await readFile(entry, "utf8"),
  jsPath: entry,
  moduleRoot: resolve("."),
  sync: true,
  stubWasi: true,
});
await mkdir("dist", { recursive: true });
await writeFile("dist/{{name}}.wasm", component);
console.log(`dist/{{name}}.wasm: ${Math.ceil(component.length / 1024)} KB`);
