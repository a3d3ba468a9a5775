/** In whose zone times are told: the viewer's own, or that of the workflow they belong to. Kept in the browser. */
import { signal } from "@preact/signals";

export type Whose = "viewer" | "workflow";

export const whose = signal<Whose>(kept());

export function choose(chosen: Whose): void {
  whose.value = chosen;
  try {
    if (chosen === "viewer") localStorage.removeItem("zone");
    else localStorage.setItem("zone", chosen);
  } catch {
    // A browser that keeps nothing tells times so till the page is left.
  }
}

function kept(): Whose {
  try {
    return localStorage.getItem("zone") === "workflow" ? "workflow" : "viewer";
  } catch {
    return "viewer";
  }
}
