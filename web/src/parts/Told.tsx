import { pieces } from "../layout/told";
import { At } from "./Time";

/** A sentence of the API, with the times in it as the viewer reads them. */
export function Told({ text }: { text: string }) {
  return <>{pieces(text).map((piece, place) => (place % 2 ? <At key={place} at={piece} /> : piece))}</>;
}
