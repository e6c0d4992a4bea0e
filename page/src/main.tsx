import { render } from "preact";
import { startDraft } from "./draft.js";
import { startGallery } from "./gallery.js";
import { startServer } from "./server.js";
import { startSession } from "./session.js";
import { startTheme } from "./theme.js";
import { App } from "./ui/app.js";

startTheme();
const place = document.getElementById("page");
if (place && startSession()) {
  startDraft();
  startServer();
  startGallery();
  render(<App />, place);
}
