import { useEffect, useMemo, useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { RunSummary, WorkflowDetail } from "../../api/types";
import { pythonOf, quoted } from "../../layout/commands";
import { onceKey } from "../../layout/onceKey";
import { fieldsOf, type ObjectSchema, textOf, valuesOf } from "../../layout/schema";
import { plural } from "../../layout/sizes";
import { useLoad } from "../../live/load";
import { Copy } from "../../parts/Copy";
import { Dialog } from "../../parts/Dialog";
import { Problem } from "../../parts/Notice";
import { SchemaForm } from "../../parts/SchemaForm";
import { go, place, to, withQuery } from "../../route";
import { Earlier } from "./Earlier";

/** Parameters by their types, prefilled with their defaults or those of an earlier run, which the address names; then a
 * run. */
export function TriggerDialog({ flow, onClose }: { flow: WorkflowDetail; onClose: () => void }) {
  const schema = flow.parameters as ObjectSchema;
  const fields = fieldsOf(schema);
  const like = place.value.search.get("like");
  const { data: earlier, error: unknown } = useLoad<RunSummary>(like ? path`/runs/${like}` : null);
  const filled = (values: Record<string, unknown> | undefined) =>
    Object.fromEntries(
      fields.map(([name, one]) => [name, textOf(values && name in values ? values[name] : one.default, one)]),
    );
  const [texts, setTexts] = useState(() => filled(undefined));
  useEffect(() => {
    if (!like || earlier) setTexts(filled(earlier?.params));
  }, [like, earlier?.id]);
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [error, setError] = useState<ApiError | null>(null);
  const key = useMemo(onceKey, [texts]);
  const start = async () => {
    const told = valuesOf(schema, texts);
    setWrong(told.wrong);
    if (Object.keys(told.wrong).length) return;
    try {
      const ask = { params: told.values };
      const run = await post<RunSummary>(path`/workflows/${flow.name}/runs`, ask, {
        "Idempotency-Key": key,
      });
      go(to.run(run.id));
    } catch (problem) {
      setError(problem as ApiError);
    }
  };
  const command = commandOf(flow, texts);
  const python = pythonOf(flow.source, flow.name, valuesOf(schema, texts).values);
  const tasks = flow.graph?.tasks.length;
  const footer = (
    <>
      <Copy text={command} as="command" />
      {python && <Copy text={python} as="Python" />}
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
        {fields.length > 0 && (
          <Earlier
            runs={flow.runs}
            like={like}
            onChoose={(run) => go(withQuery("like", run), { replace: true })}
          />
        )}
        <SchemaForm
          id="trigger"
          fields={fields}
          required={schema.required ?? []}
          texts={texts}
          wrong={wrong}
          onChange={(name, text) => setTexts((before) => ({ ...before, [name]: text }))}
        />
        {unknown && <Problem error={unknown} />}
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
  return [
    "penstock trigger",
    quoted(flow.name),
    ...given.map(([name, text]) => `--param ${quoted(`${name}=${text}`)}`),
  ].join(" ");
}
