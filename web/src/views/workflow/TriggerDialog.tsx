import { useMemo, useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { RunSummary, WorkflowDetail } from "../../api/types";
import { fieldsOf, type ObjectSchema, textOf, valuesOf } from "../../layout/schema";
import { plural } from "../../layout/sizes";
import { Dialog } from "../../parts/Dialog";
import { Problem } from "../../parts/Notice";
import { SchemaForm } from "../../parts/SchemaForm";
import { go, to } from "../../route";

/** Parameters by their types, prefilled with their defaults or those of the newest run; then a run. */
export function TriggerDialog({ flow, onClose }: { flow: WorkflowDetail; onClose: () => void }) {
  const schema = flow.parameters as ObjectSchema;
  const fields = fieldsOf(schema);
  const last = flow.newest?.params;
  const filled = (values: Record<string, unknown> | undefined) =>
    Object.fromEntries(
      fields.map(([name, one]) => [name, textOf(values && name in values ? values[name] : one.default, one)]),
    );
  const [texts, setTexts] = useState(() => filled(undefined));
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [error, setError] = useState<ApiError | null>(null);
  const key = useMemo(
    () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (one) => one.toString(36)).join(""),
    [],
  );
  const start = async () => {
    const told = valuesOf(schema, texts);
    setWrong(told.wrong);
    if (Object.keys(told.wrong).length) return;
    try {
      const ask = { params: told.values };
      const run = await post<RunSummary>(path`/workflows/${flow.name}/runs`, ask, {
        "Idempotency-Key": `"${key}${JSON.stringify(told.values).length}"`,
      });
      go(to.run(run.id));
    } catch (problem) {
      setError(problem as ApiError);
    }
  };
  const command = commandOf(flow, texts);
  const tasks = flow.graph?.tasks.length;
  const footer = (
    <>
      <button type="button" class="button" onClick={() => navigator.clipboard?.writeText(command)}>
        Copy as command
      </button>
      <button type="button" class="button main" onClick={start}>
        Run
      </button>
    </>
  );
  return (
    <Dialog title={`Run ${flow.name}`} onClose={onClose} footer={footer}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        {fields.length === 0 && <p class="muted">It has no parameters.</p>}
        <SchemaForm
          id="trigger"
          fields={fields}
          required={schema.required ?? []}
          texts={texts}
          wrong={wrong}
          onChange={(name, text) => setTexts((before) => ({ ...before, [name]: text }))}
        />
        {last && fields.length > 0 && (
          <button type="button" class="chip" onClick={() => setTexts(filled(last))}>
            As in the newest run
          </button>
        )}
        {error && <Problem error={error} />}
        <p class="muted small">
          {tasks !== undefined && `One run of ${plural(tasks, "task")}. `}
          <code>{command}</code>
        </p>
      </form>
    </Dialog>
  );
}

function commandOf(flow: WorkflowDetail, texts: Record<string, string>): string {
  const given = Object.entries(texts).filter(([, text]) => text !== "");
  const quoted = (text: string) =>
    /^[\w.:/@=+-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  return [
    "penstock trigger",
    quoted(flow.name),
    ...given.map(([name, text]) => `--param ${quoted(`${name}=${text}`)}`),
  ].join(" ");
}
