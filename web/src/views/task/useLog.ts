/** The log of an attempt: what is there, and what comes while one looks. */
import { useEffect, useState } from "preact/hooks";
import { type ApiError, get, path, query } from "../../api/client";
import type { Attempt, LogEntry, Page } from "../../api/types";
import { listen } from "../../live/stream";

const MOST = 5000;
/** So many lines are kept on the page while it follows. */
const KEPT = 20_000;

interface Read {
  key: string;
  entries: LogEntry[];
  more: boolean;
}

export function useLog(run: string, task: string, attempt: Attempt | undefined) {
  const [read, setRead] = useState<Read | null>(null);
  const [error, setError] = useState<ApiError>();
  const [generation, number] = [attempt?.generation, attempt?.attempt];
  const key = `${run} ${task} ${generation} ${number}`;
  useEffect(() => {
    let stop = () => {};
    const control = new AbortController();
    const asked = { task, generation, attempt: number };
    const add = (key: string) => (told: LogEntry[]) =>
      setRead((before) =>
        before?.key === key ? { ...before, entries: [...before.entries, ...told].slice(-KEPT) } : before,
      );
    get<Page<LogEntry>>(
      path`/runs/${run}/logs` + query({ ...asked, limit: MOST, newest: "true" }),
      control.signal,
    )
      .then((page) => {
        setRead({ key, entries: page.items, more: page.items.length === MOST });
        const followed = path`/runs/${run}/logs/follow` + query(asked);
        stop = listen(followed, page.items.at(-1)?.position, { log: add(key), end: () => stop() });
      })
      .catch((problem: ApiError) => {
        if (!control.signal.aborted) setError(problem);
      });
    return () => {
      control.abort();
      stop();
    };
  }, [key]);
  const current = read?.key === key ? read : null;
  return { entries: current?.entries, more: current?.more ?? false, error };
}
