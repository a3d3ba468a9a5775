import { look } from "../states";

/** The shape of a state. It says nothing to a screen reader: beside it stands the word, or a label does. */
export function Mark({ state }: { state: string }) {
  const { mark, tone } = look(state);
  return (
    <svg class={`mark tone-${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      <Shape mark={mark} />
    </svg>
  );
}

export function Shape({ mark }: { mark: string }) {
  const line = {
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.7,
    "stroke-linecap": "round",
  } as const;
  const onFull = { ...line, stroke: "var(--card)" } as const;
  switch (mark) {
    case "check":
      return (
        <>
          <circle cx="8" cy="8" r="7" fill="currentColor" />
          <path d="M4.8 8.2 7.1 10.5 11.3 5.9" {...onFull} />
        </>
      );
    case "cross":
      return (
        <>
          <rect x="1" y="1" width="14" height="14" rx="3" fill="currentColor" />
          <path d="M5.3 5.3 10.7 10.7M10.7 5.3 5.3 10.7" {...onFull} />
        </>
      );
    case "turning":
      return (
        <>
          <circle cx="8" cy="8" r="6" {...line} stroke-opacity="0.28" />
          <path class="turning" d="M8 2a6 6 0 0 1 6 6" {...line} />
          <circle cx="8" cy="8" r="2.2" fill="currentColor" />
        </>
      );
    case "dot":
      return (
        <>
          <circle cx="8" cy="8" r="6.2" {...line} />
          <circle cx="8" cy="8" r="2.4" fill="currentColor" />
        </>
      );
    case "pause":
      return (
        <>
          <circle cx="8" cy="8" r="6.2" {...line} />
          <path d="M6.4 5.8v4.4M9.6 5.8v4.4" {...line} />
        </>
      );
    case "again":
      return <path d="M13.4 8a5.4 5.4 0 1 1-1.7-3.9M13.6 1.8v3.1h-3.1" {...line} />;
    case "bolt":
      return (
        <>
          <path d="M8 1 15 8 8 15 1 8z" fill="currentColor" />
          <path d="M8 4.8v3.8M8 11v.1" {...onFull} />
        </>
      );
    case "barred":
      return (
        <>
          <rect x="1.8" y="1.8" width="12.4" height="12.4" rx="3" {...line} />
          <path d="M4.8 8h6.4" {...line} />
        </>
      );
    case "slash":
      return (
        <>
          <circle cx="8" cy="8" r="6.2" {...line} />
          <path d="M4.2 11.8 11.8 4.2" {...line} />
        </>
      );
    case "skip":
      return <path d="M3 4 7 8 3 12M8.5 4l4 4-4 4" {...line} />;
    default:
      return <circle cx="8" cy="8" r="6" {...line} stroke-dasharray="2 2.6" />;
  }
}
