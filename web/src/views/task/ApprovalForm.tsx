import { useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { Approval } from "../../api/types";
import { fieldsOf, type ObjectSchema, textOf, valuesOf } from "../../layout/schema";
import { Problem } from "../../parts/Notice";
import { SchemaForm } from "../../parts/SchemaForm";

/** What is asked of somebody, what it is about, and the buttons to decide. */
export function ApprovalForm({ approval, onDecided }: { approval: Approval; onDecided: () => void }) {
  const whole = approval.inputs as ObjectSchema;
  const schema: ObjectSchema = {
    properties: Object.fromEntries(
      Object.entries(whole.properties ?? {}).filter(([name]) => name !== "approved"),
    ),
    required: (whole.required ?? []).filter((name) => name !== "approved"),
  };
  const fields = fieldsOf(schema);
  const [texts, setTexts] = useState(() =>
    Object.fromEntries(fields.map(([name, one]) => [name, textOf(one.default, one)])),
  );
  const [note, setNote] = useState("");
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [error, setError] = useState<ApiError | null>(null);
  const [isSent, setSent] = useState(false);
  const [asked, ...more] = approval.question.split("\n");
  const id = `${approval.run}-${approval.task}`;
  const decide = async (way: "approve" | "reject") => {
    const told = valuesOf(schema, texts);
    setWrong(told.wrong);
    if (way === "approve" && Object.keys(told.wrong).length) return;
    setSent(true);
    try {
      const values = way === "approve" ? told.values : {};
      await post(path`/runs/${approval.run}/${way}`, { task: approval.task, values, note });
      setError(null);
      onDecided();
    } catch (problem) {
      setError(problem as ApiError);
      setSent(false);
    }
  };
  return (
    <form class="form" onSubmit={(event) => event.preventDefault()}>
      <div>
        <p class="question">{asked}</p>
        {more.length > 0 && <p class="muted more">{more.join("\n").trim()}</p>}
      </div>
      {Object.keys(approval.given).length > 0 && (
        <dl class="facts">
          {Object.entries(approval.given).map(([name, text]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <code class="value">{text}</code>
              </dd>
            </div>
          ))}
        </dl>
      )}
      <div class="fields">
        <SchemaForm
          id={id}
          fields={fields}
          required={schema.required ?? []}
          texts={texts}
          wrong={wrong}
          onChange={(name, text) => setTexts((before) => ({ ...before, [name]: text }))}
        />
        <div>
          <label for={`${id}-note`}>
            note <span class="muted small">if you like</span>
          </label>
          <input
            id={`${id}-note`}
            class="field"
            value={note}
            onInput={(event) => setNote(event.currentTarget.value)}
          />
        </div>
      </div>
      {error && <Problem error={error} />}
      <div class="row">
        <button type="button" class="button main" disabled={isSent} onClick={() => decide("approve")}>
          Approve
        </button>
        <button type="button" class="button danger" disabled={isSent} onClick={() => decide("reject")}>
          Reject
        </button>
        {isSent && <span class="muted">The decision is on its way.</span>}
      </div>
    </form>
  );
}
