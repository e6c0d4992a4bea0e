import { signal } from "@preact/signals";

const NAME = "imgen.theme";
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = signal<Theme>("auto");

export function setTheme(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  try {
    localStorage.setItem(NAME, chosen);
  } catch {
    // Until the page is left, then.
  }
}

export function startTheme(): void {
  try {
    setTheme(THEMES.find((each) => each === localStorage.getItem(NAME)) ?? "auto");
  } catch {
    setTheme("auto");
  }
}
