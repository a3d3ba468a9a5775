import { useEffect } from "preact/hooks";

/** The title of the window, and so what the history says of this place. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Penstock` : "Penstock";
  }, [title]);
}
