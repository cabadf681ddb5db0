/** The frame of every page: navigation, keys, theme, and the sign-in where the server asks for a token. */
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Link, Redirect, Route, Router, Switch, useLocation } from "wouter";
import { bearer, refusal, signIn, signOut, subscribe } from "./api/token.ts";
import { Dialog } from "./parts/Act.tsx";
import { Boundary } from "./parts/Boundary.tsx";
import { Loading } from "./parts/small.tsx";
import { turn, useTheme } from "./parts/theme.ts";

const Runs = lazy(() => import("./pages/Runs.tsx"));
const RunPage = lazy(() => import("./pages/Run.tsx"));
const Compare = lazy(() => import("./pages/Compare.tsx"));
const Workflows = lazy(() => import("./pages/Workflows.tsx"));
const WorkflowPage = lazy(() => import("./pages/Workflow.tsx"));
const Plugins = lazy(() => import("./pages/Plugins.tsx"));
const System = lazy(() => import("./pages/System.tsx"));
const Access = lazy(() => import("./pages/Access.tsx"));
const ErrorPage = lazy(() => import("./pages/ErrorPage.tsx"));

/** Name, address, and the key that leads there after `g`. */
const PAGES = [
  ["Runs", "/runs", "r"],
  ["Workflows", "/workflows", "w"],
  ["Plugins", "/plugins", "p"],
  ["System", "/system", "s"],
  ["Access", "/access/secrets", "a"],
] as const;

const KEYS: [string, string][] = [
  ...PAGES.map(([name, , key]): [string, string] => [`g ${key}`, `go to ${name}`]),
  ["n", "write a workflow"],
  ["/", "filter or search"],
  ["j k", "down and up in the list of runs; Enter opens, x ticks"],
  ["Ctrl+S", "save the definition, in the editor"],
  ["?", "show these keys"],
];

export function App() {
  return (
    <Router base="/console">
      <a className="skip" href="#content">
        To the content
      </a>
      <Header />
      <Gate>
        <main id="content" tabIndex={-1}>
          <Boundary>
            <Suspense fallback={<Loading what="the page" />}>
              <Pages />
            </Suspense>
          </Boundary>
        </main>
      </Gate>
    </Router>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/runs" component={Runs} />
      <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
      <Route path="/runs/:id/compare/:other">{({ id, other }) => <Compare id={id} other={other} />}</Route>
      <Route path="/workflows" component={Workflows} />
      <Route path="/workflows/:id">{({ id }) => <WorkflowPage key={id} id={id} />}</Route>
      <Route path="/plugins" component={Plugins} />
      <Route path="/system/:page?">{({ page }) => <System page={page} />}</Route>
      <Route path="/access/:page">{({ page }) => <Access page={page} />}</Route>
      <Route path="/errors/:kind">{({ kind }) => <ErrorPage key={kind} kind={kind} />}</Route>
      <Route path="/">
        <Redirect href="/runs" />
      </Route>
      <Route>
        <h1>There is no such page</h1>
        <p>
          <Link href="/runs">All runs</Link>
        </p>
      </Route>
    </Switch>
  );
}

function Header() {
  const [path] = useLocation();
  const theme = useTheme();
  const [help, setHelp] = useState(false);
  const refused = useSyncExternalStore(subscribe, refusal);
  useKeys(() => setHelp(true));
  useEffect(() => {
    const page = PAGES.find(([, address]) => path.startsWith(address.replace("/secrets", "")));
    document.title = page ? `${page[0]} · Millwork` : "Millwork";
  }, [path]);
  return (
    <header>
      <Link href="/runs" className="brand">
        <svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true">
          <path d="M4 19V6l4 5 4-6 4 6 4-5v13" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinejoin="round" />
        </svg>
        Millwork
      </Link>
      <nav aria-label="Main">
        {PAGES.map(([name, address]) => {
          const isHere = path.startsWith(address.replace("/secrets", ""));
          return (
            <Link key={name} href={address} aria-current={isHere ? "page" : undefined}>
              {name}
            </Link>
          );
        })}
        <a href="/docs">API</a>
      </nav>
      <span className="bar end">
        <button type="button" className="plain" onClick={turn} aria-label={`Make it ${theme === "dark" ? "light" : "dark"}`}>
          {theme === "dark" ? "☀" : "☾"}
        </button>
        <button type="button" className="plain" onClick={() => setHelp(true)} aria-label="Keys">
          ?
        </button>
        {bearer() && !refused && (
          <button type="button" className="plain" onClick={signOut}>
            Sign out
          </button>
        )}
      </span>
      {help && (
        <Dialog title="Keys" close={() => setHelp(false)}>
          <dl className="keys">
            {KEYS.map(([key, what]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
    </header>
  );
}

function useKeys(help: () => void) {
  const [, go] = useLocation();
  const first = useRef(0);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const at = event.target as HTMLElement;
      const isTyping = at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
      const isSecond = Date.now() - first.current < 1000;
      first.current = 0;
      const page = isSecond && PAGES.find(([, , key]) => key === event.key);
      if (page) go(page[1]);
      else if (event.key === "g") first.current = Date.now();
      else if (event.key === "n") go("/workflows/new");
      else if (event.key === "?") help();
      else if (event.key === "/") {
        event.preventDefault();
        document.getElementById("filter")?.focus();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [go, help]);
}

/** Where the server asks for a token, it is asked for in the place of the page. */
function Gate({ children }: { children: React.ReactNode }) {
  const refused = useSyncExternalStore(subscribe, refusal);
  const client = useQueryClient();
  const [token, setToken] = useState("");
  if (!refused) return children;
  return (
    <main id="content" tabIndex={-1}>
      <form
        className="card sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          client.clear();
          signIn(token);
        }}
      >
        <h1>This server asks for a token</h1>
        <p role="alert">{refused}</p>
        <label className="field">
          Token
          <input
            type="password"
            autoComplete="off"
            placeholder="mw_…"
            required
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
        </label>
        <button type="submit" className="main">
          Go on
        </button>
        <p>
          <small>
            It is kept until this tab is closed. Who runs the server makes one: <code>millwork token create NAME --scope admin</code>.
          </small>
        </p>
      </form>
    </main>
  );
}
