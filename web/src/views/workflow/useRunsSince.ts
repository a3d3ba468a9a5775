import { useEffect, useState } from "preact/hooks";
import { type ApiError, get, query } from "../../api/client";
import type { Page, RunSummary } from "../../api/types";

const SIZE = 200;
const MOST = 5;

interface Found {
  key: string;
  runs: RunSummary[];
  /** Whether there are more than are asked for. */
  isPart: boolean;
}

/** The runs of a workflow since a time, newest first, as far as a few pages of them reach. */
export function useRunsSince(workflow: string, since: string, changes: number) {
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<ApiError>();
  const key = `${workflow} ${since}`;
  useEffect(() => {
    const control = new AbortController();
    const all = async () => {
      const runs: RunSummary[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < MOST; page++) {
        const asked = { workflow, since, parts: "true", limit: SIZE, cursor };
        const answer = await get<Page<RunSummary>>(`/runs${query(asked)}`, control.signal);
        runs.push(...answer.items);
        cursor = answer.next ?? undefined;
        if (!cursor) break;
      }
      setFound({ key, runs, isPart: cursor !== undefined });
    };
    all().catch((problem: ApiError) => {
      if (!control.signal.aborted) setError(problem);
    });
    return () => control.abort();
  }, [key, changes]);
  return { found: found?.key === key ? found : undefined, error };
}
