import { clock } from "../layout/times";
import { lostAt } from "../live/connection";
import { parts } from "../route";
import { ThemeSwitch } from "./ThemeSwitch";
import { ZoneSwitch } from "./ZoneSwitch";

const PLACES = [
  ["", "/", "Home"],
  ["runs", "/runs", "Runs"],
  ["workflows", "/workflows", "Workflows"],
] as const;

export function Top() {
  const here = parts.value[0] ?? "";
  return (
    <header class="top">
      <div class="bar">
        <a class="brand" href="/" aria-label="Penstock, home">
          <Sign />
          <span>Penstock</span>
        </a>
        <nav aria-label="Main">
          {PLACES.map(([name, to, label]) => (
            <a key={name} href={to} aria-current={name === here ? "page" : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <span class="grow" />
        <ZoneSwitch />
        <ThemeSwitch />
      </div>
      <Away />
    </header>
  );
}

/** Said on every page while the service is away: what is shown stays, and says of when it is. */
function Away() {
  const since = lostAt.value;
  return (
    <div role="status">
      {since !== null && (
        <div class="offline">
          <strong>Not connected.</strong> What you see is of {clock(since, since)}; it goes on by itself when
          the service is back.
        </div>
      )}
    </div>
  );
}

function Sign() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <g fill="none" stroke="var(--on-accent)" stroke-width="2.6" stroke-linejoin="round">
        <path d="M9 26V7h8a6 6 0 0 1 0 12H9" />
      </g>
    </svg>
  );
}
