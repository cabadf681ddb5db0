/** What steps can be made of: the plugins, what each asks for and is granted, and how it fares. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, problemOf } from "../api/client.ts";
import type { Plugin } from "../api/types.ts";
import { Empty, Loading } from "../parts/small.tsx";
import { Trouble } from "../parts/Trouble.tsx";
import { useMetrics } from "./system/metrics.ts";
import { PluginCard } from "./plugins/PluginCard.tsx";
import { useCatalogue } from "./workflow/catalogue.ts";

export default function Plugins() {
  const list = useCatalogue();
  const { looks } = useMetrics();
  const [search, setSearch] = useState("");
  const names = [...new Set(list.data?.items.map((one) => one.name))];
  const fits = (name: string) => {
    const versions = list.data!.items.filter((one) => one.name === name);
    const text = JSON.stringify(versions.map((one) => [one.name, one.description, one.actions.map((each) => [each.name, each.title])]));
    return text.toLowerCase().includes(search.toLowerCase());
  };
  return (
    <>
      <h1>Plugins</h1>
      <Upload />
      <label className="field">
        Search
        <input id="filter" type="search" value={search} onChange={(event) => setSearch(event.target.value)} />
      </label>
      <Trouble error={list.error} again={() => list.refetch()} />
      {list.isPending && !list.error && <Loading what="the plugins" />}
      {list.data?.refused.map((one) => (
        <div className="card problem" key={one.path} role="alert">
          <p>
            <code>{one.path}</code> is not loaded: {one.reason}
          </p>
          <p>{one.still_loaded ? `${one.still_loaded} stays in use.` : "Mend the file or take it out of the folder; it is looked at again by itself."}</p>
        </div>
      ))}
      {list.data && !names.some(fits) && (
        <Empty title="No plugin is like that">
          <p>
            <code>millwork plugin new NAME</code> begins one of your own; drop its component above to install it.
          </p>
        </Empty>
      )}
      {list.data &&
        names
          .filter(fits)
          .map((name) => (
            <PluginCard key={name} versions={newestFirst(list.data.items.filter((one) => one.name === name))} metrics={looks} />
          ))}
    </>
  );
}

function newestFirst(versions: Plugin[]): Plugin[] {
  return [...versions].sort((a, b) => b.version.localeCompare(a.version, undefined, { numeric: true }));
}

/** Takes a component that is dropped or chosen. */
function Upload() {
  const client = useQueryClient();
  const [isOver, setOver] = useState(false);
  const [state, setState] = useState<{ busy?: string; said?: string; error?: unknown }>({});
  const upload = async (file?: File | null) => {
    if (!file) return;
    setState({ busy: file.name });
    try {
      const bytes = new Blob([await file.arrayBuffer()]);
      const made = await call<Plugin>("/api/v1/plugins", "POST", bytes);
      setState({ said: `${made.name} ${made.version} is installed.${made.missing_grants.length ? " It asks for more than it is granted: see below." : ""}` });
      await client.invalidateQueries();
    } catch (error) {
      setState({ error: problemOf(error) });
    }
  };
  return (
    <>
      <label
        className={`card drop ${isOver ? "over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void upload(event.dataTransfer.files[0]);
        }}
      >
        <span>
          <b>Install a plugin</b>
          <br />
          Drop a component (<code>.wasm</code>) here, or choose one. It may do nothing until you grant it.
        </span>
        <input
          type="file"
          accept=".wasm"
          onChange={(event) => {
            void upload(event.target.files?.[0]);
            event.target.value = "";
          }}
        />
      </label>
      <p role="status" className="said">
        {state.busy ? `${state.busy} is looked at and compiled …` : state.said}
      </p>
      <Trouble error={state.error} />
    </>
  );
}
