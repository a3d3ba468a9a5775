import { path } from "../../api/client";
import type { Source } from "../../api/types";
import { tail } from "../../layout/traceback";
import { useLoad } from "../../live/load";
import { Empty, Loading } from "../../parts/Notice";

/** The file that a workflow is in, as it is now. */
export function SourceView({ workflow }: { workflow: string }) {
  const { data, error } = useLoad<Source>(path`/workflows/${workflow}/source`);
  if (error) return <Empty title="No source to show">{error.message}</Empty>;
  if (!data) return <Loading />;
  return (
    <>
      <p class="place graph-tools" title={data.file}>
        {tail(data.file)}
      </p>
      <pre class="source" tabIndex={0}>
        {data.text.split("\n").map((line, place) => (
          <code key={place}>{line || " "}</code>
        ))}
      </pre>
    </>
  );
}
