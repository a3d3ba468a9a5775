/** The shapes of the API by their names; schema.ts is made of its specification (`npm run schema`). */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Home = Schemas["Home"];
export type Health = Schemas["Health"];
export type Failure = Schemas["Failure"];
export type Approval = Schemas["Approval"];
export type Due = Schemas["Due"];
export type RunSummary = Schemas["RunSummary"];
export type RunDetail = Schemas["RunDetail"];
export type Task = Schemas["Task"];
export type TaskDetail = Schemas["TaskDetail"];
export type Attempt = Schemas["Attempt"];
export type Graph = Schemas["Graph"];
export type Node = Graph["tasks"][number];
export type Why = Schemas["Why"];
export type Value = Schemas["Value"];
export type LogEntry = Schemas["LogEntry"];
export type Preview = Schemas["Preview"];
export type MarkPreview = Schemas["MarkPreview"];
export type Deletion = Schemas["Deletion"];
export type Past = Schemas["Past"];
export type Again = Schemas["Again"];
export type Choice = Partial<Schemas["Choice"]>;
export type Accepted = Schemas["Accepted"];
export type WorkflowSummary = Schemas["WorkflowSummary"];
export type WorkflowDetail = Schemas["WorkflowDetail"];
export type Schedule = Schemas["Schedule"];
export type Grid = Schemas["Grid"];
export type Cell = Schemas["Cell"];
export type Source = Schemas["Source"];
export type Tick = Schemas["Tick"];
export type Counts = Record<string, number>;

export interface Page<Item> {
  items: Item[];
  next?: string | null;
}

/** What the stream of a run tells at once. */
export interface RunUpdate {
  run: Partial<RunDetail> & { counts: Counts; state: string; approvals: unknown };
  position: number;
  reload: boolean;
  tasks: Task[];
  maps: Record<string, Counts>;
  attempts: Attempt[];
}
