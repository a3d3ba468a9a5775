/** A stream of events that begins where the page's data ends, and is quiet while nobody looks. */
import { address } from "../api/client";
import { lost, reached } from "./connection";

interface Handlers {
  /** Something may have been missed: ask anew for what is shown. */
  back?: () => void;
  [event: string]: ((data: never, id: string) => void) | undefined;
}

const WAIT = { first: 1_000, most: 30_000 };

export function listen(path: string, position: string | undefined, handlers: Handlers): () => void {
  const self = {};
  let after = position;
  let source: EventSource | null = null;
  let isAway = false;
  let wait = WAIT.first;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    const separator = path.includes("?") ? "&" : "?";
    const where = after ? `${path}${separator}after=${encodeURIComponent(after)}` : path;
    const own = new EventSource(address(where));
    source = own;
    own.onopen = () => {
      reached(self);
      wait = WAIT.first;
      if (isAway) handlers.back?.();
      isAway = false;
    };
    own.onerror = () => {
      isAway = true;
      lost(self);
      if (own.readyState === EventSource.CLOSED) refused();
    };
    for (const [name, handle] of Object.entries(handlers)) {
      if (name === "back") continue;
      own.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId) after = event.lastEventId;
        handle?.(JSON.parse(event.data) as never, event.lastEventId);
      });
    }
  }

  /** The browser tries again by itself where nobody answers, but not where it is answered that there is no stream: what
   * is wrong is told to whoever asks for the rest of the page. */
  function refused(): void {
    handlers.back?.();
    timer = setTimeout(open, wait);
    wait = Math.min(WAIT.most, wait * 2);
  }

  function close(): void {
    source?.close();
    source = null;
    clearTimeout(timer);
    reached(self);
  }

  // Browsers allow few connections to one server for all their tabs together.
  function look(): void {
    if (document.hidden) {
      close();
      isAway = true;
    } else if (source === null) open();
  }

  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
}
