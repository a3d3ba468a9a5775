/** A stream of events that begins where the page's data ends, and is quiet while nobody looks. */
import { address } from "../api/client";
import { isConnected } from "./connection";

type Handlers = Record<string, (data: never, id: string) => void>;

export function listen(path: string, position: string | undefined, handlers: Handlers): () => void {
  let after = position;
  let source: EventSource | null = null;

  function open(): void {
    const separator = path.includes("?") ? "&" : "?";
    const where = after ? `${path}${separator}after=${encodeURIComponent(after)}` : path;
    source = new EventSource(address(where));
    source.onopen = () => {
      isConnected.value = true;
    };
    source.onerror = () => {
      isConnected.value = source?.readyState !== EventSource.CONNECTING;
    };
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId) after = event.lastEventId;
        handle(JSON.parse(event.data) as never, event.lastEventId);
      });
    }
  }

  function close(): void {
    source?.close();
    source = null;
  }

  // Browsers allow few connections to one server for all their tabs together.
  function look(): void {
    if (document.hidden) close();
    else if (source === null) open();
  }

  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
}
