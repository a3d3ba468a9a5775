import type { FieldSchema } from "../layout/schema";
import { kindOf } from "../layout/schema";

interface Props {
  id: string;
  fields: [string, FieldSchema][];
  required: readonly string[];
  /** What is written in each field, as text. */
  texts: Record<string, string>;
  wrong: Record<string, string>;
  onChange: (name: string, text: string) => void;
}

/** A field for each value, by its JSON Schema. */
export function SchemaForm({ id, fields, required, texts, wrong, onChange }: Props) {
  return (
    <>
      {fields.map(([name, schema]) => {
        const field = `${id}-${name}`;
        const kind = kindOf(schema);
        const help = [schema.description, wrong[name]].some(Boolean) ? `${field}-help` : undefined;
        const common = { id: field, class: "field", "aria-describedby": help, "aria-invalid": name in wrong };
        const text = texts[name] ?? "";
        return (
          <div key={name}>
            <label for={field}>
              {name} {required.includes(name) && <span class="muted small">needed</span>}
            </label>
            {kind === "choice" || kind === "boolean" ? (
              <select
                {...common}
                value={text}
                onChange={(event) => onChange(name, event.currentTarget.value)}
              >
                {!(text in Object.fromEntries(optionsOf(schema, kind))) && <option value="">–</option>}
                {optionsOf(schema, kind).map(([value, label]) => (
                  <option key={value} value={value}>
                    {label}
                  </option>
                ))}
              </select>
            ) : kind === "json" ? (
              <textarea
                {...common}
                value={text}
                placeholder="JSON"
                onInput={(event) => onChange(name, event.currentTarget.value)}
              />
            ) : (
              <input
                {...common}
                type={kind === "date" ? "date" : "text"}
                inputMode={kind === "number" ? "decimal" : "text"}
                value={text}
                onInput={(event) => onChange(name, event.currentTarget.value)}
              />
            )}
            {help && (
              <div id={help} class={wrong[name] ? "wrong" : "help"}>
                {wrong[name] ?? schema.description}
              </div>
            )}
          </div>
        );
      })}
    </>
  );
}

function optionsOf(schema: FieldSchema, kind: string): [string, string][] {
  if (kind === "boolean")
    return [
      ["true", "yes"],
      ["false", "no"],
    ];
  return (schema.enum ?? []).map((one) => [JSON.stringify(one), String(one)]);
}
