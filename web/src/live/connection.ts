/** Whether what is shown is kept up to date: that is so while nothing that a page asks for goes unanswered. */
import { computed, signal } from "@preact/signals";

const unanswered = new Set<object>();

/** Since when the service has not been reached, in milliseconds; null while it is. */
export const lostAt = signal<number | null>(null);
export const isConnected = computed(() => lostAt.value === null);

export function lost(asker: object): void {
  unanswered.add(asker);
  lostAt.value ??= Date.now();
}

/** It is answered, or asks no more. */
export function reached(asker: object): void {
  if (unanswered.delete(asker) && unanswered.size === 0) lostAt.value = null;
}
