import { signal } from "@preact/signals";

/** Whether what is shown is kept up to date. */
export const isConnected = signal(true);
