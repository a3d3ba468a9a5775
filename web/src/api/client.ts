/** Asking the API. */

const BASE = "/api/v1";

/** What the API says is wrong, in its own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
  ) {
    super(detail);
  }
}

export function get<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return ask<Answer>(path, { signal: signal ?? null });
}

export function post<Answer>(
  path: string,
  body: unknown = {},
  headers: Record<string, string> = {},
): Promise<Answer> {
  const all = { "Content-Type": "application/json", ...headers };
  return ask<Answer>(path, { method: "POST", body: JSON.stringify(body), headers: all });
}

export function remove(path: string): Promise<void> {
  return ask<void>(path, { method: "DELETE" });
}

/** A path of which each part may hold anything. */
export function path(strings: TemplateStringsArray, ...parts: string[]): string {
  return strings.reduce((text, piece, place) => text + encodeURIComponent(parts[place - 1] ?? "") + piece);
}

/** The query of an address, without what is not set. */
export function query(given: Record<string, string | number | string[] | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== "") search.append(name, String(one));
    }
  }
  const text = search.toString();
  return text && `?${text}`;
}

export function address(path: string): string {
  return BASE + path;
}

async function ask<Answer>(path: string, init: RequestInit): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(
      0,
      "Not reached",
      init.method === undefined
        ? "The service cannot be reached. It is asked again till it is back."
        : "The service cannot be reached. Whether it has heard of this shows when it is back.",
    );
  }
  if (!response.ok) throw await problem(response);
  return (response.status === 204 ? undefined : await response.json()) as Answer;
}

async function problem(response: Response): Promise<ApiError> {
  try {
    const told = (await response.json()) as { title?: string; detail?: string };
    return new ApiError(response.status, told.title ?? response.statusText, told.detail ?? "");
  } catch {
    return new ApiError(response.status, response.statusText, `The service answered ${response.status}.`);
  }
}
