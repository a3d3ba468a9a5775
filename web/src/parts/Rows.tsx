import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { visible, type Window } from "../layout/window";

interface Props {
  count: number;
  height: number;
  children: (index: number) => ComponentChildren;
}

const FEW = 200;

/** Rows of a long list, of which only those in sight are made. The page scrolls, or what is around it. */
export function Rows({ count, height, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<Window>({ first: 0, last: Math.min(count, FEW) });
  const isLong = count > FEW;
  useEffect(() => {
    if (!isLong) return;
    const look = () => {
      const top = box.current?.getBoundingClientRect().top ?? 0;
      const next = visible(count, height, top, window.innerHeight);
      setRange((before) => (before.first === next.first && before.last === next.last ? before : next));
    };
    look();
    document.addEventListener("scroll", look, { capture: true, passive: true });
    window.addEventListener("resize", look);
    return () => {
      document.removeEventListener("scroll", look, { capture: true });
      window.removeEventListener("resize", look);
    };
  }, [count, height, isLong]);
  const { first, last } = isLong ? range : { first: 0, last: count };
  const size = Math.max(0, Math.min(last, count) - first);
  return (
    <div
      ref={box}
      style={
        isLong
          ? {
              paddingTop: `${first * height}px`,
              paddingBottom: `${Math.max(0, count - first - size) * height}px`,
            }
          : undefined
      }
    >
      {Array.from({ length: size }, (_, place) => children(first + place))}
    </div>
  );
}
