/** Dark or light: what the system says, until somebody chooses. */
import { useSyncExternalStore } from "react";

export type Theme = "dark" | "light";
const KEY = "millwork-theme";
const told = new Set<() => void>();
const dark = matchMedia("(prefers-color-scheme: dark)");

function theme(): Theme {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "dark" || chosen === "light") return chosen;
  return dark.matches ? "dark" : "light";
}

function tell(): void {
  document.documentElement.dataset.theme = theme();
  for (const one of told) one();
}

dark.addEventListener("change", tell);
tell();

export function turn(): void {
  localStorage.setItem(KEY, theme() === "dark" ? "light" : "dark");
  tell();
}

export function useTheme(): Theme {
  return useSyncExternalStore((one) => {
    told.add(one);
    return () => told.delete(one);
  }, theme);
}
