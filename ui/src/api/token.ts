/** The token of this tab: kept until the tab is closed. Who shows the page is told when the server asks for another. */
const KEY = "millwork-token";
const told = new Set<() => void>();
let refused = "";

export const bearer = (): string => sessionStorage.getItem(KEY) ?? "";

/** What the server said when it did not take the token, or none; empty while it does. */
export const refusal = (): string => refused;

export function refuse(why: string): void {
  change(why);
}

export function signIn(token: string): void {
  sessionStorage.setItem(KEY, token.trim());
  change("");
}

export function signOut(): void {
  sessionStorage.removeItem(KEY);
  change("You have signed out.");
}

export function subscribe(tell: () => void): () => void {
  told.add(tell);
  return () => told.delete(tell);
}

function change(why: string): void {
  refused = why;
  for (const tell of told) tell();
}
