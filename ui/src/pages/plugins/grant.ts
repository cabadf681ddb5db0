/** A grant that gives a plugin what it asks for, as far as that can be told from its words; the rest is filled in by hand. */
export function grantFor(asks: string[], granted: Record<string, unknown>): Record<string, unknown> {
  const grant = structuredClone(granted);
  const list = (name: string) => (Array.isArray(grant[name]) ? (grant[name] as string[]) : []);
  const map = (name: string) => ({ ...(grant[name] as Record<string, unknown> | undefined) });
  const hosts = asks.filter((ask) => ask.startsWith("http ")).map((ask) => ask.slice(5));
  for (const ask of asks) {
    const [kind, ...rest] = ask.split(" ");
    const what = rest.join(" ");
    if (kind === "http") grant.http = [...new Set([...list("http"), what])];
    else if (kind === "kv") grant.kv = true;
    // A secret may be sent to where the plugin may send requests anyway, and nowhere else.
    else if (kind === "secret") grant.secrets = { [what]: hosts.map((host) => host.replace(/^[A-Z,]+ /, "")), ...map("secrets") };
    else if (kind === "reveal") grant.reveal = [...new Set([...list("reveal"), what])];
    else if (kind === "directory") grant.directories = { [what]: what, ...map("directories") };
    else if (kind === "variable") grant.variables = { [what]: what, ...map("variables") };
  }
  return grant;
}
