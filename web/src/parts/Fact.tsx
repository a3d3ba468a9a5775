import type { ComponentChildren } from "preact";

/** One of a list of facts (`dl.facts`): its name, and what is so. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
