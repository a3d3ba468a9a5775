import { render } from "preact";
import { App } from "./App";
import { followLinks } from "./route";
import "./style/all.css";

followLinks();
render(<App />, document.getElementById("app")!);
