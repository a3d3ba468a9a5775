import type { Again } from "../../api/types";
import { gathered } from "../../layout/gathering";
import { Mark } from "../../parts/Mark";

/** Tasks of which something would become, each with why. */
export function Listed({ title, tasks, most }: { title: string; tasks: Again[]; most: number }) {
  const lines = gathered(tasks);
  return (
    <section>
      <h3>{title}</h3>
      <ul>
        {lines.slice(0, most).map((line) => (
          <li key={line.name} class="row">
            <Mark state={line.state} />
            <span>{line.name}</span>
            <span class="muted small">{line.because}</span>
          </li>
        ))}
      </ul>
      {lines.length > most && <p class="muted small">and {lines.length - most} more</p>}
    </section>
  );
}
