import { place, withQuery } from "../route";

/** Ways to look at the same, each with an address. The first is shown if the address names none. */
export function Tabs({ name, tabs, label }: { name: string; tabs: [string, string][]; label: string }) {
  const current = place.value.search.get(name) ?? tabs[0]![0];
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(([id, text], index) => (
        <a
          key={id}
          href={withQuery(name, index ? id : null)}
          aria-current={id === current ? "page" : undefined}
        >
          {text}
        </a>
      ))}
    </nav>
  );
}
