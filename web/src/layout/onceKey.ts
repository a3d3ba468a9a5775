/** A key by which what is asked for twice is done once. */
export function onceKey(): string {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return `"${Array.from(words, (one) => one.toString(36)).join("")}"`;
}
