import type { Approval } from "../../api/types";
import { Mark } from "../../parts/Mark";
import { At } from "../../parts/Time";
import { to } from "../../route";
import { ApprovalForm } from "../task/ApprovalForm";

/** What waits for somebody's decision, with the buttons to decide. */
export function Approvals({ approvals, onDecided }: { approvals: Approval[]; onDecided: () => void }) {
  if (approvals.length === 0) return null;
  return (
    <section class="card" aria-labelledby="approvals">
      <header>
        <h2 id="approvals">Waits for a decision</h2>
      </header>
      <ul class="list">
        {approvals.map((approval) => (
          <li key={`${approval.run} ${approval.task}`} class="stack">
            <div class="row">
              <Mark state="waiting" />
              <a href={to.run(approval.run)}>
                <strong>{approval.workflow}</strong>
              </a>
              <span class="muted" aria-hidden="true">
                ›
              </span>
              <a href={to.task(approval.run, approval.task)}>{approval.task}</a>
              <span class="grow" />
              {approval.deadline && (
                <span class="muted small">
                  until <At at={approval.deadline} zone={approval.zone} />
                </span>
              )}
            </div>
            <ApprovalForm approval={approval} onDecided={onDecided} />
          </li>
        ))}
      </ul>
    </section>
  );
}
