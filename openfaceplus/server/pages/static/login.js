// Logging in: a key for a session.
import { ask, form } from "./api.js";
import { busy, byId, notice } from "./dom.js";
import { t } from "./texts.js";

const state = byId("state");

/** Where to go on: only ever an address of this server. */
function next() {
  const given = new URLSearchParams(location.search).get("next") ?? "/";
  const address = new URL(given, location.origin);
  return address.origin === location.origin ? address.pathname : "/";
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  busy(state, t("login.checking"));
  try {
    await ask("POST", "/v1/session", { body: form({ key: byId("key").value }) });
    location.assign(next());
  } catch (problem) {
    state.replaceChildren(notice("bad", problem.message, problem.remedy));
    byId("key").select();
  }
});
