import type { ComponentChildren } from "preact";
import type { ApiError } from "../api/client";
import { SignIn } from "./SignIn";

/** Nothing is there, and why that is well or what to do. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="notice">
      <strong>{title}</strong>
      {children && <div>{children}</div>}
    </div>
  );
}

export function Loading() {
  return (
    <div class="loading card body" role="status" aria-label="Loading">
      <span />
      <span />
      <span />
    </div>
  );
}

export function Problem({ error, retry }: { error: ApiError; retry?: () => void }) {
  if (error.status === 401) return <SignIn />;
  return (
    <div class="problem" role="alert">
      <strong>{error.title}</strong>
      <p>{error.message}</p>
      {retry && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}
