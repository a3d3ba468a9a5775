/** What a view shows, asked of the API. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../api/client";
import { lost, reached } from "./connection";

export interface Loaded<Data> {
  data: Data | undefined;
  error: ApiError | undefined;
  /** Ask again; what is shown stays until the answer is there. */
  reload: () => void;
  /** How many milliseconds the last answer took. */
  took: () => number;
  /** Put what has been heard of meanwhile in its place. */
  update: (change: (data: Data) => Data) => void;
}

const RETRY = 2000;
/** What a service answers, or what stands before it, while it is away or not ready yet. */
const AWAY = new Set([0, 502, 503, 504]);
/** Answers after which what was shown is not to be seen any more. */
const FORBIDDEN = new Set([401, 403, 404]);

export function useLoad<Data>(path: string | null): Loaded<Data> {
  const [answer, setAnswer] = useState<{ path: string; data?: Data; error?: ApiError } | null>(null);
  const [round, setRound] = useState(0);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const last = useRef(0);
  const self = useRef({}).current;
  useEffect(() => () => reached(self), []);
  useEffect(() => {
    if (path === null) return;
    const control = new AbortController();
    const asked = performance.now();
    get<Data>(path, control.signal)
      .then((data) => {
        reached(self);
        last.current = performance.now() - asked;
        setAnswer({ path, data });
      })
      .catch((error: unknown) => {
        if (control.signal.aborted) return;
        const told = error instanceof ApiError ? error : new ApiError(0, "Not shown", String(error));
        const kept = FORBIDDEN.has(told.status) ? undefined : path;
        setAnswer((before) => ({
          path,
          data: before?.path === kept ? before?.data : undefined,
          error: told,
        }));
        if (!AWAY.has(told.status)) reached(self);
        else {
          lost(self);
          timer.current = setTimeout(() => setRound((one) => one + 1), RETRY);
        }
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
  const took = useCallback(() => last.current, []);
  const current = answer?.path === path ? answer : null;
  return { data: current?.data, error: current?.error, reload, took, update };
}

const SHARE = 8;

/** Calls at once, and again at most every `gap` milliseconds however often it is asked, and more seldom where the call
 * takes long: what is large is asked for in a small share of the time. */
export function useThrottled(call: () => void, gap = 250, took: () => number = () => 0): () => void {
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
    const wait = Math.max(0, one.last + Math.max(gap, took() * SHARE) - Date.now());
    one.timer = setTimeout(() => {
      one.timer = null;
      one.last = Date.now();
      call();
    }, wait);
  }, [call, gap, took]);
}
