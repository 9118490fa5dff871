import { render } from "preact";
import "./style/theme.css";
import "./style/page.css";
import "./style/charts.css";
import { startClock } from "./clock.ts";
import { watchFleet } from "./fleet.ts";
import { signInByCode } from "./session.ts";
import { Shell } from "./shell.tsx";

if (import.meta.env.MODE === "preview") {
  const { startPreview } = await import("./preview/preview.ts");
  await startPreview();
} else {
  await signInByCode();
  startClock();
}
watchFleet();

const root = document.getElementById("app");
if (root === null) throw new Error("Expected an element `app` in index.html");
render(<Shell />, root);
