import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { whose } from "../live/zone";

/** The zone of the workflow that a page is about. */
export const Zone = createContext<string | null | undefined>(undefined);

/** In which zone to tell a time: undefined for the viewer's own. */
export function useZone(own?: string | null): string | undefined {
  const around = useContext(Zone);
  return whose.value === "workflow" ? (own ?? around ?? undefined) : undefined;
}
