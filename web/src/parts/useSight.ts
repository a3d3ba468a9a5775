import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import { type Area, around, isSame } from "../layout/window";

const FIRST = { x: 0, y: 0, width: 1440, height: 900 };

/** The part of a large picture that is to be drawn: what its box shows, and some way around. Null while all of it is. */
export function useSight(box: RefObject<HTMLElement>, isLarge: boolean, step = 400): Area | null {
  const [sight, setSight] = useState<Area | null>(null);
  useLayoutEffect(() => {
    const one = box.current;
    if (!isLarge || !one) {
      setSight(null);
      return;
    }
    const look = () => {
      const shown = { x: one.scrollLeft, y: one.scrollTop, width: one.clientWidth, height: one.clientHeight };
      const next = around(shown, step);
      setSight((before) => (before && isSame(before, next) ? before : next));
    };
    look();
    one.addEventListener("scroll", look, { passive: true });
    const resized = new ResizeObserver(look);
    resized.observe(one);
    return () => {
      one.removeEventListener("scroll", look);
      resized.disconnect();
    };
  }, [isLarge, step]);
  return isLarge ? (sight ?? around(FIRST, step)) : null;
}
