/** Parameters in a line. */
export function params(given: Record<string, unknown>): string {
  return Object.entries(given)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}
