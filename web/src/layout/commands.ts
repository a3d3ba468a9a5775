/** Commands, as a shell reads them. */

export function quoted(text: string): string {
  return /^[\w.:/@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A message that is written as JSON or, where it is none, as the text that it is. */
export function messageOf(text: string): { value: unknown; isText: boolean } {
  try {
    return { value: JSON.parse(text), isText: false };
  } catch {
    return { value: text, isText: true };
  }
}

/** A run with these parameters in Python; null where the workflow's file is not known. */
export function pythonOf(
  source: string | null,
  workflow: string,
  values: Record<string, unknown>,
): string | null {
  const found = /([^/\\]+)\.py(?::(\w+))?$/.exec(source ?? "");
  if (!found || !/^\w+$/.test(found[1]!)) return null;
  const name = found[2] ?? workflow;
  const given = Object.entries(values).map(([key, value]) => `, ${key}=${literal(value)}`);
  return [
    "from penstock import WorkflowManager",
    `from ${found[1]} import ${name}`,
    "",
    "with WorkflowManager() as manager:",
    `    manager.run(${name}${given.join("")})`,
    "",
  ].join("\n");
}

/** A value that JSON has as Python writes it. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, one]) => `${JSON.stringify(key)}: ${literal(one)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}
