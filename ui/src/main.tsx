/** Where the console begins. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { problemOf } from "./api/client.ts";
import { App } from "./app.tsx";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/pages.css";

const TRIES = 3;
const AGAIN_EVERY_MS = 5000;

/** What the server could not do just now, or did not hear. A refusal stays one. */
function passes(error: unknown): boolean {
  const { status } = problemOf(error);
  return status === 0 || status >= 500;
}

const client = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (count, error) => passes(error) && count < TRIES,
      // Where nobody asks again otherwise, so that a page comes back with its server.
      refetchInterval: ({ state }) => (state.error && passes(state.error) ? AGAIN_EVERY_MS : false),
    },
  },
});

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
