// The choices of colours and language, on every page; and logging out.
import { ask } from "./api.js";

const root = document.documentElement;

function remember(name, value) {
  const age = value ? 365 * 24 * 3600 : 0;
  document.cookie = `${name}=${value}; path=/; max-age=${age}; SameSite=Strict`;
}

document.getElementById("theme").addEventListener("change", (event) => {
  const { value } = event.target;
  remember("theme", value);
  if (value) root.dataset.theme = value;
  else delete root.dataset.theme;
});

document.getElementById("language").addEventListener("change", (event) => {
  remember("language", event.target.value);
  location.reload();
});

document.getElementById("log-out")?.addEventListener("click", async () => {
  await ask("DELETE", "/v1/session");
  location.assign("/login");
});

// On a phone the navigation is a strip: the page's own entry is to be in sight.
const [strip, here] = [document.querySelector("nav"), document.querySelector("nav [aria-current]")];
if (here) strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
