import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = process.env.MILLWORK_URL ?? "http://127.0.0.1:8002";

/** Writes a compressed copy beside each file; the server sends it to whoever takes it. */
const compressed = {
  name: "compressed",
  closeBundle() {
    for (const name of readdirSync("dist", { recursive: true, encoding: "utf8" })) {
      if (!/\.(js|css|html|svg)$/.test(name)) continue;
      writeFileSync(`dist/${name}.gz`, gzipSync(readFileSync(`dist/${name}`), { level: 9 }));
    }
  },
};

export default defineConfig({
  base: "/console/",
  plugins: [react(), compressed],
  build: { sourcemap: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  // As the binary says it (host/src/api/console.rs).
  preview: {
    headers: {
      "content-security-policy":
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  },
  server: { proxy: { "/api": server, "/docs": server, "/health": server, "/metrics": server } },
});
