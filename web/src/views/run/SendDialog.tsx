import { useMemo, useState } from "preact/hooks";
import { type ApiError, path, post } from "../../api/client";
import type { Accepted, RunDetail } from "../../api/types";
import { messageOf, quoted } from "../../layout/commands";
import { onceKey } from "../../layout/onceKey";
import { Copy } from "../../parts/Copy";
import { Dialog } from "../../parts/Dialog";
import { Problem } from "../../parts/Notice";

/** A message to a run, for the task that receives its topic. What would be sent is shown before it is. */
export function SendDialog({
  run,
  onClose,
  onDone,
}: {
  run: RunDetail;
  onClose: () => void;
  onDone: () => void;
}) {
  const [topic, setTopic] = useState(run.topics[0]?.topic ?? "");
  const [text, setText] = useState("");
  const [error, setError] = useState<ApiError | null>(null);
  const key = useMemo(onceKey, [topic, text]);
  const { value, isText } = messageOf(text);
  const sent = text === "" ? null : value;
  const waits = run.topics.filter((one) => one.topic === topic).map((one) => one.task);
  const command = ["penstock send", run.id, quoted(topic || "TOPIC"), ...(text ? [quoted(text)] : [])].join(
    " ",
  );
  const send = () =>
    post<Accepted>(path`/runs/${run.id}/messages`, { topic, value: sent }, { "Idempotency-Key": key }).then(
      () => {
        onClose();
        onDone();
      },
      setError,
    );
  const footer = (
    <>
      <Copy text={command} as="command" />
      <button type="button" class="button main" disabled={!topic} onClick={send}>
        Send
      </button>
    </>
  );
  return (
    <Dialog title="Send a message" onClose={onClose} footer={footer}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (topic) void send();
        }}
      >
        <div>
          <label for="send-topic">topic</label>
          <input
            id="send-topic"
            class="field"
            list="send-topics"
            value={topic}
            aria-describedby="send-topic-help"
            onInput={(event) => setTopic(event.currentTarget.value)}
          />
          <datalist id="send-topics">
            {run.topics.map((one) => (
              <option key={one.task} value={one.topic} />
            ))}
          </datalist>
          <div id="send-topic-help" class="help">
            {waits.length
              ? `${waits.join(", ")} waits for it`
              : "No task waits for it now: it counts when one does"}
          </div>
        </div>
        <div>
          <label for="send-value">message</label>
          <textarea
            id="send-value"
            class="field"
            placeholder='{"approved": true}'
            value={text}
            aria-describedby="send-value-help"
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <div id="send-value-help" class="help">
            {text === ""
              ? "Nothing but the topic is sent."
              : isText
                ? "It is sent as a text."
                : "It is sent as JSON."}
          </div>
        </div>
        {error && <Problem error={error} />}
        <p class="muted small">
          <code>{command}</code>
        </p>
      </form>
    </Dialog>
  );
}
