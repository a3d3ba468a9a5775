import { signal } from "@preact/signals";
import { isConnected } from "./connection";

/** Now, in milliseconds, each second: whatever says "ago" reads it. It stands still while nothing is heard of the
 * service: what is shown then is of before, and nobody knows whether it still goes on. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden && isConnected.value) now.value = Date.now();
}, 1000);
