// Videos that are being indexed: sent or named, and how far they are.
import { ask, form } from "./api.js";
import { byId, make, notice } from "./dom.js";
import { number, percent, t } from "./texts.js";

const EVERY = 1000; // milliseconds between looks
const ACTIVE = ["waiting", "running"];

/** Makes the form work and shows what goes on; `done` is called when a video is. */
export function jobs(done) {
  const state = byId("adding-state");
  let before = new Map();
  let timer = null;

  async function look() {
    const { jobs: all } = await ask("GET", "/v1/jobs").catch(() => ({ jobs: [] }));
    const ended = all.some((job) => !ACTIVE.includes(job.state) && ACTIVE.includes(before.get(job.id)));
    before = new Map(all.map((job) => [job.id, job.state]));
    const shown = all.filter((job) => ACTIVE.includes(job.state) || job.state === "failed");
    byId("working").hidden = !shown.length;
    byId("jobs").replaceChildren(...shown.map(row));
    if (ended) done();
    timer = all.some((job) => ACTIVE.includes(job.state)) ? setTimeout(look, EVERY) : null;
  }

  byId("adding").querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [file] = byId("file").files;
    const path = byId("path").value.trim();
    if (Boolean(file) === Boolean(path)) {
      state.replaceChildren(notice("bad", t("videos.one_of_two")));
      return;
    }
    const bar = make("progress", { max: 1, "aria-label": t("videos.sending") });
    const sent = make("span", { class: "soft small number" });
    state.replaceChildren(
      make("div", { class: "spread" }, make("p", { class: "soft small" }, t("videos.sending")), sent), bar,
    );
    const progress = (share) => {
      bar.value = share;
      sent.textContent = percent(share);
    };
    const body = form(file ? { video: file } : { path });
    try {
      await ask("POST", "/v1/videos", { body, progress: file && progress });
      event.target.reset();
      state.replaceChildren();
      byId("adding").close();
      clearTimeout(timer);
      look();
    } catch (problem) {
      state.replaceChildren(notice("bad", problem.message, problem.remedy));
    }
  });
  look();
}

function row(job) {
  const title = make("h3", {}, job.video);
  if (job.state === "failed") {
    return make("li", { class: "tight" }, title, notice("bad", t("videos.failed"), job.error?.problem));
  }
  const share = job.of ? Math.min(1, job.frames / job.of) : null;
  const text = job.state === "waiting" ? t("videos.waiting")
    : share === null ? t("videos.frames", { n: number(job.frames) })
      : t("videos.part", { percent: percent(share) });
  const bar = make("progress", { max: 1, "aria-label": `${job.video}: ${text}` });
  if (share !== null) bar.value = share;
  return make("li", { class: "tight" }, make("div", { class: "spread" }, title, make("span", { class: "soft small number" }, text)), bar);
}
