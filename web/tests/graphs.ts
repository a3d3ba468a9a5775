/** Graphs for tests. */
import type { Graph, Node } from "../src/api/types";

export function node(id: string, upstreams: string[] = [], more: Partial<Node> = {}): Node {
  return {
    id,
    group: null,
    kind: null,
    rule: "all_success",
    upstreams,
    inputs: [],
    setups: [],
    where: "etl.py:1",
    mapped: false,
    layer: 0,
    order: 0,
    state: "success",
    counts: null,
    error: null,
    ...more,
  };
}

export function graph(tasks: Node[], groups: string[] = []): Graph {
  const made = groups.map((id) => ({ id, group: null, mapped: false, state: "success", counts: null }));
  return { workflow: "etl", tasks, groups: made };
}

/** A graph in which each task comes after some of those before it, the same for the same seed. */
export function random(seed: number, size: number): Graph {
  let state = seed;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
  const tasks: Node[] = [];
  for (let number = 0; number < size; number++) {
    const above = tasks.filter(() => next() < 2 / (number + 1)).map((one) => one.id);
    const group = next() < 0.5 ? `g${Math.floor(next() * 3)}` : null;
    tasks.push(node(`t${number}`, above, { group, state: next() < 0.1 ? "failed" : "success" }));
  }
  return graph(tasks, ["g0", "g1", "g2"]);
}
