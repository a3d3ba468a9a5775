import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** What is done more seldom, behind a button. It closes when something is chosen, by Escape and by a click elsewhere. */
export function Menu({ label, children }: { label: string; children: ComponentChildren }) {
  const box = useRef<HTMLDetailsElement>(null);
  const close = () => box.current?.removeAttribute("open");
  useEffect(() => {
    const elsewhere = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    document.addEventListener("click", elsewhere);
    return () => document.removeEventListener("click", elsewhere);
  }, []);
  return (
    <details
      class="menu"
      ref={box}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        close();
        box.current?.querySelector("summary")?.focus();
      }}
    >
      <summary class="button">{label}</summary>
      <div class="choices" onClick={close}>
        {children}
      </div>
    </details>
  );
}
