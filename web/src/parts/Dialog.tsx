import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  footer?: ComponentChildren;
}

/** A question over the page. Escape closes it, and what had the focus has it again. */
export function Dialog({ title, onClose, children, footer }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = box.current;
    dialog?.showModal();
    dialog?.focus();
    return () => {
      dialog?.close();
      before?.focus();
    };
  }, []);
  return (
    <dialog ref={box} tabIndex={-1} aria-label={title} onCancel={onClose} onClose={onClose}>
      <header>
        <h2>{title}</h2>
        <button type="button" class="button bare" onClick={onClose}>
          Close
        </button>
      </header>
      <div class="body" tabIndex={0}>
        {children}
      </div>
      {footer && <footer>{footer}</footer>}
    </dialog>
  );
}
