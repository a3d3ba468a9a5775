/** Where one is: the address is the only place that says so. */
import { computed, signal } from "@preact/signals";

export interface Place {
  path: string;
  search: URLSearchParams;
}

function here(): Place {
  return { path: window.location.pathname, search: new URLSearchParams(window.location.search) };
}

export const place = signal<Place>(here());
export const parts = computed(() => place.value.path.split("/").filter(Boolean).map(decoded));

window.addEventListener("popstate", () => {
  place.value = here();
});

export function go(to: string, { replace = false } = {}): void {
  const moves = new URL(to, window.location.href).pathname !== window.location.pathname;
  if (replace) window.history.replaceState(null, "", to);
  else window.history.pushState(null, "", to);
  place.value = here();
  if (moves) {
    window.scrollTo(0, 0);
    document.querySelector<HTMLElement>("main")?.focus({ preventScroll: true });
  }
}

/** Links lead on without loading the page anew. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest("a");
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey)
      return;
    const to = link?.getAttribute("href");
    if (!to?.startsWith("/") || to.startsWith("/api/") || link?.hasAttribute("target")) return;
    event.preventDefault();
    go(to);
  });
}

/** The address of this view with another value in its query. */
export function withQuery(name: string, value: string | null): string {
  return withQueries({ [name]: value });
}

export function withQueries(values: Record<string, string | null>): string {
  const search = new URLSearchParams(place.value.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === "") search.delete(name);
    else search.set(name, value);
  }
  const text = search.toString();
  return place.value.path + (text && `?${text}`);
}

export const to = {
  run: (id: string) => `/runs/${id}`,
  task: (run: string, task: string) => `/runs/${run}/tasks/${encodeURIComponent(task)}`,
  workflow: (name: string) => `/workflows/${encodeURIComponent(name)}`,
};

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
