/** Values in forms: from a JSON Schema to fields, and from what is written in them to values. */

export interface FieldSchema {
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  default?: unknown;
  description?: string;
  title?: string;
  anyOf?: FieldSchema[];
  minimum?: number;
  maximum?: number;
}

export interface ObjectSchema {
  properties?: Record<string, FieldSchema>;
  required?: string[];
}

export type Kind = "text" | "number" | "boolean" | "choice" | "date" | "json";

export function kindOf(schema: FieldSchema): Kind {
  if (schema.enum) return "choice";
  if (schema.format === "date") return "date";
  const types = [schema.type ?? []].flat();
  if (types.length !== 1) return "json";
  if (types[0] === "boolean") return "boolean";
  if (types[0] === "integer" || types[0] === "number") return "number";
  return types[0] === "string" ? "text" : "json";
}

export function fieldsOf(schema: ObjectSchema): [string, FieldSchema][] {
  return Object.entries(schema.properties ?? {});
}

/** A value as it is written in its field. */
export function textOf(value: unknown, schema: FieldSchema): string {
  if (value === undefined) return "";
  const kind = kindOf(schema);
  if ((kind === "text" || kind === "date") && typeof value === "string") return value;
  return kind === "number" ? String(value) : JSON.stringify(value);
}

/** The values that are written, and what is wrong with the others. What is empty and has a default is left out. */
export function valuesOf(schema: ObjectSchema, texts: Record<string, string>) {
  const values: Record<string, unknown> = {};
  const wrong: Record<string, string> = {};
  for (const [name, field] of fieldsOf(schema)) {
    const text = texts[name] ?? "";
    if (text === "") {
      if (kindOf(field) === "text" && schema.required?.includes(name)) values[name] = "";
      else if (schema.required?.includes(name)) wrong[name] = "is needed";
      continue;
    }
    try {
      values[name] = read(text, field);
    } catch (error) {
      wrong[name] = (error as Error).message;
    }
  }
  return { values, wrong };
}

function read(text: string, schema: FieldSchema): unknown {
  const kind = kindOf(schema);
  if (kind === "text" || kind === "date") return text;
  if (kind === "number") {
    const value = Number(text);
    if (!Number.isFinite(value)) throw new Error("is a number");
    if (schema.type === "integer" && !Number.isInteger(value)) throw new Error("is a whole number");
    if (schema.minimum !== undefined && value < schema.minimum)
      throw new Error(`is at least ${schema.minimum}`);
    if (schema.maximum !== undefined && value > schema.maximum)
      throw new Error(`is at most ${schema.maximum}`);
    return value;
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("is no JSON");
  }
}
