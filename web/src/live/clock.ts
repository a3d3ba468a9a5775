import { signal } from "@preact/signals";

/** Now, in milliseconds, each second: whatever says "ago" reads it. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);
