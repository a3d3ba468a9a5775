import type { JSX } from "preact";
import { Top } from "./parts/Top";
import { parts } from "./route";
import { Home } from "./views/Home";
import { Missing } from "./views/Missing";
import { Runs } from "./views/Runs";
import { Run } from "./views/run/Run";
import { Task } from "./views/task/Task";
import { Workflows } from "./views/Workflows";
import { Workflow } from "./views/workflow/Workflow";

export function App() {
  return (
    <>
      <a class="skip-link" href="#main">
        To the content
      </a>
      <Top />
      <main id="main" tabIndex={-1}>
        <View />
      </main>
    </>
  );
}

/** What an address shows. */
function View(): JSX.Element {
  const [first, second, third, ...rest] = parts.value;
  if (first === undefined) return <Home />;
  if (first === "runs" && second === undefined) return <Runs />;
  if (first === "runs" && third === undefined) return <Run key={second} id={second!} />;
  if (first === "runs" && third === "tasks" && rest.length) {
    const task = rest.join("/");
    return <Task key={`${second} ${task}`} run={second!} name={task} />;
  }
  if (first === "workflows" && second === undefined) return <Workflows />;
  if (first === "workflows") return <Workflow key={second} name={parts.value.slice(1).join("/")} />;
  return <Missing />;
}
