/** Marks as images: of these a page can hold thousands, of drawings it cannot. */
import { render } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { look, STATES } from "../states";
import { Shape } from "./Mark";
import { theme } from "./ThemeSwitch";

const COLOURS = { good: "", bad: "", live: "", wait: "", held: "", quiet: "" };
const sheet = new CSSStyleSheet();

/** While a page uses it, `.mark-image.of-STATE` shows the mark of a state, in the colours of the theme. */
export function useMarkImages(): void {
  useLayoutEffect(() => {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    drawn();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    dark.addEventListener("change", drawn);
    return () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
      dark.removeEventListener("change", drawn);
    };
  }, [theme.value]);
}

function drawn(): void {
  const probe = document.body.appendChild(document.createElement("span"));
  const colour = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const ground = colour("card");
  const tones = Object.keys(COLOURS).map((tone) => [tone, colour(tone === "live" ? "accent" : tone)]);
  const ofTone = Object.fromEntries(tones) as typeof COLOURS;
  probe.remove();
  const rules = STATES.map((state) => {
    const { mark, tone } = look(state);
    const picture = pictureOf(mark)
      .replaceAll("currentColor", ofTone[tone])
      .replaceAll("var(--card)", ground);
    return `.mark-image.of-${state} { background-image: url("data:image/svg+xml,${encodeURIComponent(picture)}"); }`;
  });
  sheet.replaceSync(rules.join("\n"));
}

function pictureOf(mark: string): string {
  const box = document.createElement("div");
  render(
    <svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">
      <Shape mark={mark} />
    </svg>,
    box,
  );
  const text = box.innerHTML;
  render(null, box);
  return text;
}
