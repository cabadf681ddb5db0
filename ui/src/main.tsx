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

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal stays one; what the server could not do just now is asked for again.
      retry: (count, error) => {
        const { status } = problemOf(error);
        return (status === 0 || status >= 500) && count < TRIES;
      },
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
