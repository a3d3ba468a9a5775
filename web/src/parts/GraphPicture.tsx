import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Graph } from "../api/types";
import { type Folded, fold, type Unit } from "../layout/folding";
import { type Drawing, draw, HEIGHT, type Placed, redrawn } from "../layout/graph";
import { number } from "../layout/sizes";
import { duration } from "../layout/times";
import { overlap } from "../layout/window";
import { to } from "../route";
import { byUrgency, look } from "../states";
import { Shape } from "./Mark";
import { useSight } from "./useSight";

interface Props {
  graph: Graph;
  runId: string | null;
  critical: ReadonlySet<string>;
  reasons: ReadonlyMap<string, string>;
  durations: ReadonlyMap<string, number | null | undefined>;
  /** The groups that are folded; null as long as nobody has said. */
  closed: ReadonlySet<string> | null;
  onClose: (closed: ReadonlySet<string>) => void;
}

/** More tasks than this, and groups begin folded, unless something in them failed. */
const MANY = 40;
/** More units than this, and only those in sight are drawn; and to fit them all in would make them unreadable. */
const MOST_DRAWN = 300;
const LETTER = 7.4;
/** A graph opens at what failed, or at its beginning, with so much around it. */
const AROUND = 120;

/** A graph in layers, from left to right. What is drawn is text of its real size: one scrolls, and need not guess. */
export function GraphPicture({ graph, runId, critical, reasons, durations, closed, onClose }: Props) {
  const [fits, setFits] = useState(false);
  const folded = useMemo(() => {
    const many = graph.tasks.length > MANY ? graph.groups.filter((group) => group.state !== "failed") : [];
    return closed ?? new Set(many.map((group) => group.id));
  }, [graph, closed]);
  const units = useMemo(() => fold(graph, folded), [graph, folded]);
  const drawing = useDrawing(units);
  const isLarge = drawing.nodes.length > MOST_DRAWN;
  const box = useRef<HTMLDivElement>(null);
  const sight = useSight(box, isLarge);
  const toggle = (group: string) => {
    const next = new Set(folded);
    if (!next.delete(group)) next.add(group);
    onClose(next);
  };
  useLayoutEffect(() => {
    const first = drawing.nodes.find((node) => node.state === "failed") ?? drawing.nodes[0];
    if (!box.current || !first) return;
    const isRight = first.x + first.width > box.current.clientWidth;
    box.current.scrollTo(isRight ? first.x - AROUND : 0, Math.max(0, first.y - AROUND));
  }, []);
  const path = useMemo(() => [...critical].flatMap((task) => units.home.get(task) ?? []), [units, critical]);
  const onPath = useMemo(() => new Set(path), [path]);
  const steps = useMemo(() => new Set(path.slice(1).map((unit, place) => `${path[place]} ${unit}`)), [path]);
  const isSeen = (node: Placed) =>
    !sight || overlap(sight, { x: node.x, y: node.y, width: node.width, height: HEIGHT });
  const fitted = fits && !isLarge;
  return (
    <>
      <div class="row graph-tools">
        {graph.groups.length > 0 && (
          <div class="chips">
            {graph.groups.map((group) => (
              <button
                key={group.id}
                type="button"
                class="chip"
                aria-pressed={!folded.has(group.id)}
                onClick={() => toggle(group.id)}
              >
                <span aria-hidden="true">{folded.has(group.id) ? "▸" : "▾"}</span>
                {group.id}
              </button>
            ))}
          </div>
        )}
        <span class="grow" />
        {critical.size > 0 && <span class="small muted critical-key">critical path</span>}
        {!isLarge && (
          <button type="button" class="chip only-wide" aria-pressed={fits} onClick={() => setFits(!fits)}>
            Fit
          </button>
        )}
      </div>
      <div class="graph" ref={box} tabIndex={0} role="group" aria-label="Graph">
        <svg
          width={fitted ? "100%" : drawing.width}
          height={fitted ? undefined : drawing.height}
          viewBox={`0 0 ${drawing.width} ${drawing.height}`}
          role="group"
          aria-label={`${graph.tasks.length} tasks`}
        >
          {drawing.boxes.map((box) => (
            <rect
              key={box.id}
              class="box"
              x={box.x}
              y={box.y}
              width={box.width}
              height={box.height}
              rx="10"
            />
          ))}
          {drawing.edges.map(
            (edge) =>
              (!sight || overlap(sight, edge.area)) && (
                <path
                  key={`${edge.from} ${edge.to}`}
                  class={steps.has(`${edge.from} ${edge.to}`) ? "edge critical" : "edge"}
                  d={edge.path}
                />
              ),
          )}
          {drawing.boxes.map((box) => (
            <text key={box.id} class="box-name" x={box.x + 12} y={box.y + 17} onClick={() => toggle(box.id)}>
              {box.id}
            </text>
          ))}
          {drawing.nodes.filter(isSeen).map((node) => (
            <Drawn
              key={node.id}
              node={node}
              href={hrefOf(node, runId)}
              critical={onPath.has(node.id)}
              reason={reasons.get(node.id) ?? node.error}
              seconds={durations.get(node.id)}
              onClick={node.kind === "group" ? () => toggle(node.id) : undefined}
            />
          ))}
        </svg>
      </div>
    </>
  );
}

/** A drawing of units. While only their states change, everything stays where it is. */
function useDrawing(units: Folded): Drawing {
  const last = useRef<Drawing | null>(null);
  return useMemo(() => {
    last.current = (last.current && redrawn(last.current, units)) ?? draw(units);
    return last.current;
  }, [units]);
}

function hrefOf(unit: Unit, runId: string | null): string | undefined {
  if (runId === null) return undefined;
  if (unit.kind === "task") return to.task(runId, unit.id);
  if (unit.kind === "map") return `${to.run(runId)}?view=tasks&task=${encodeURIComponent(unit.id)}`;
  return `${to.run(runId)}?view=tasks`;
}

interface DrawnProps {
  node: Placed;
  href: string | undefined;
  critical: boolean;
  reason: string | null | undefined;
  seconds: number | null | undefined;
  onClick: (() => void) | undefined;
}

function Drawn({ node, href, critical, reason, seconds, onClick }: DrawnProps) {
  const { tone, label, mark } = look(node.state);
  const many =
    node.counts && Object.keys(node.counts).length > 0 && node.kind !== "task"
      ? byUrgency(node.counts)
      : null;
  const sub = many
    ? many.map(([state, count]) => `${number(count)} ${look(state).label}`).join(", ")
    : [node.note, seconds ? duration(seconds) : node.state === "success" ? null : label]
        .filter(Boolean)
        .join(" · ");
  const told = `${node.id}, ${label}${reason ? `: ${reason}` : ""}${many ? ` (${sub})` : ""}`;
  const fold = (event: Event) => {
    if (!onClick) return;
    event.preventDefault();
    onClick();
  };
  return (
    <a
      href={href}
      class={`node tone-${tone}${critical ? " critical" : ""}`}
      onClick={onClick ? fold : undefined}
    >
      <title>{told}</title>
      {many && (
        <rect class="stacked" x={node.x + 4} y={node.y + 4} width={node.width} height={HEIGHT} rx="7" />
      )}
      <rect class="face" x={node.x} y={node.y} width={node.width} height={HEIGHT} rx="7" />
      <svg
        x={node.x + 10}
        y={node.y + 7}
        width="15"
        height="15"
        viewBox="0 0 16 16"
        class={`mark tone-${tone}`}
      >
        <Shape mark={mark} />
      </svg>
      <text x={node.x + 32} y={node.y + 19}>
        {clipped(node.label, Math.floor((node.width - 38) / LETTER))}
      </text>
      <text class="sub" x={node.x + 32} y={node.y + 36}>
        {clipped(sub, Math.floor((node.width - 38) / 6.6))}
      </text>
      {many && <Split parts={many} x={node.x + 6} y={node.y + HEIGHT - 5} width={node.width - 12} />}
    </a>
  );
}

function Split({ parts, x, y, width }: { parts: [string, number][]; x: number; y: number; width: number }) {
  const all = parts.reduce((sum, [, count]) => sum + count, 0);
  let at = x;
  return (
    <g>
      {parts.map(([state, count]) => {
        const from = at;
        at += (width * count) / all;
        return (
          <rect
            key={state}
            class={`part tone-${look(state).tone}`}
            x={from}
            y={y}
            width={Math.max(4, at - from)}
            height="3"
          />
        );
      })}
    </g>
  );
}

function clipped(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
