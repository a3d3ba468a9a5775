import { signal } from "@preact/signals";

type Theme = "auto" | "light" | "dark";
const NEXT: Record<Theme, Theme> = { auto: "dark", dark: "light", light: "auto" };

export const theme = signal<Theme>((document.documentElement.dataset.theme as Theme | undefined) ?? "auto");

function choose(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", chosen);
  } catch {
    // A browser that keeps nothing shows it till the page is left.
  }
}

/** Light, dark, or as the system has it. */
export function ThemeSwitch() {
  return (
    <button
      type="button"
      class="button bare small"
      onClick={() => choose(NEXT[theme.value])}
      title="Colours of the pages"
    >
      <span class="hidden">Theme: </span>
      {theme.value === "auto" ? "Auto" : theme.value === "dark" ? "Dark" : "Light"}
    </button>
  );
}
