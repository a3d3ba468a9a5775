/** What a view shows, asked of the API. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../api/client";

export interface Loaded<Data> {
  data: Data | undefined;
  error: ApiError | undefined;
  /** Ask again; what is shown stays until the answer is there. */
  reload: () => void;
  /** Put what has been heard of meanwhile in its place. */
  update: (change: (data: Data) => Data) => void;
}

const RETRY = 2000;

export function useLoad<Data>(path: string | null): Loaded<Data> {
  const [answer, setAnswer] = useState<{ path: string; data?: Data; error?: ApiError } | null>(null);
  const [round, setRound] = useState(0);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    if (path === null) return;
    const control = new AbortController();
    get<Data>(path, control.signal)
      .then((data) => setAnswer({ path, data }))
      .catch((error: unknown) => {
        if (control.signal.aborted) return;
        const told = error instanceof ApiError ? error : new ApiError(0, "Not shown", String(error));
        setAnswer((before) => ({ path, data: before?.path === path ? before.data : undefined, error: told }));
        if (told.status === 0) timer.current = setTimeout(() => setRound((one) => one + 1), RETRY);
      });
    return () => {
      control.abort();
      if (timer.current !== null) clearTimeout(timer.current);
    };
  }, [path, round]);

  const reload = useCallback(() => setRound((one) => one + 1), []);
  const update = useCallback((change: (data: Data) => Data) => {
    setAnswer((before) => (before?.data === undefined ? before : { ...before, data: change(before.data) }));
  }, []);
  const current = answer?.path === path ? answer : null;
  return { data: current?.data, error: current?.error, reload, update };
}

/** Calls at once, and again at most every `gap` milliseconds however often it is asked. */
export function useThrottled(call: () => void, gap = 250): () => void {
  const state = useRef<{ last: number; timer: ReturnType<typeof setTimeout> | null }>({
    last: 0,
    timer: null,
  });
  useEffect(
    () => () => {
      if (state.current.timer !== null) clearTimeout(state.current.timer);
    },
    [],
  );
  return useCallback(() => {
    const one = state.current;
    if (one.timer !== null) return;
    const wait = Math.max(0, one.last + gap - Date.now());
    one.timer = setTimeout(() => {
      one.timer = null;
      one.last = Date.now();
      call();
    }, wait);
  }, [call, gap]);
}
