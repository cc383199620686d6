// Who was in which video when; indexing, and what a user puts right.
import { ask, form, may } from "./api.js";
import { dialog } from "./dialogs.js";
import { busy, byId, make, notice } from "./dom.js";
import { jobs } from "./jobs.js";
import { player } from "./player.js";
import { clock, faceOf, portraitOf, titleOf } from "./sightings.js";
import { counted, number, t, when } from "./texts.js";
import { card } from "./videoperson.js";

const PAGE = 48;
const state = byId("state");

/** A list that grows by pages: loads the first, and the next when its button is pressed. */
function pages(path, name, list, total, button, entry) {
  let next = null;
  const load = async (again) => {
    const query = { limit: PAGE, ...(!again && next && { after: next }) };
    const page = await ask("GET", path, { query });
    const entries = page[name].map((one) => make("li", {}, entry(one)));
    if (again) list.replaceChildren(...entries);
    else list.append(...entries);
    ({ next } = page);
    button.hidden = !next;
    total(page.total);
    return page;
  };
  button.addEventListener("click", () => load(false));
  return () => load(true);
}

const people = pages(
  "/v1/video-people", "people", byId("people"),
  (n) => {
    byId("people-total").textContent = counted("people.count", n);
  },
  byId("more-people"), personTile,
);
const videos = pages(
  "/v1/videos", "videos", byId("videos"),
  (n) => {
    byId("videos-total").textContent = counted("videos.count", n);
  },
  byId("more-videos"), videoRow,
);

async function suggestions() {
  const { suggestions: found } = await ask("GET", "/v1/suggestions", { query: { limit: PAGE } });
  byId("asking").hidden = !found.length;
  byId("suggestions").replaceChildren(...found.map(suggestion));
}

async function refresh() {
  try {
    const [{ total: persons }, { total: films }] =
      await Promise.all([people(), videos(), suggestions()]);
    const empty = !persons && !films;
    state.replaceChildren(...(empty ? [make("p", { class: "empty" }, t("videos.none"))] : []));
    for (const list of ["people", "videos"]) byId(list).closest("section").hidden = empty;
    byId("undo").hidden = !may("enroller");
  } catch (problem) {
    state.replaceChildren(notice("bad", problem.message, problem.remedy));
  }
}

function personTile(person) {
  return make(
    "button", { type: "button", class: "person", onclick: () => open(person.person) },
    portraitOf(person.person, "portrait"),
    make(
      "span", {}, make("strong", {}, titleOf(person)),
      make("span", { class: "soft small" }, counted("videos.sequences", person.sequences)),
      make("span", { class: "soft small number" }, clock(person.seconds)),
    ),
  );
}

function videoRow(video) {
  const facts = [
    video.seconds ? clock(video.seconds) : null,
    video.width ? `${video.width} × ${video.height}` : null,
    counted("videos.sequences", video.sequences),
    video.indexed_at ? when(video.indexed_at) : null,
  ].filter(Boolean);
  return make(
    "div", { class: "card spread" },
    make("div", { class: "tight" }, make("h3", {}, video.name), make("p", { class: "soft small number" }, facts.join(" · "))),
    make("button", { type: "button", onclick: () => play(video) }, t("videos.watch")),
  );
}

function suggestion(one) {
  const answer = (what) => async ({ target }) => {
    target.closest("li").inert = true;
    const body = form({ sequence: one.sequence, person: one.person });
    try {
      await ask("POST", `/v1/suggestions/${what}`, { body });
    } catch (problem) {
      state.replaceChildren(notice("bad", problem.message, problem.remedy));
    }
    await refresh();
  };
  const score = number(one.score, 2);
  return make(
    "li", { class: "card suggestion" },
    make("div", { class: "row" }, faceOf(one.sequence, "large-face"), portraitOf(one.person, "large-face")),
    make("div", { class: "tight" },
      make("h3", {}, t("videos.is_it", { name: titleOf(one) })),
      make("p", { class: "soft small number" }, t("videos.seen_in", { video: one.video, from: clock(one.start), to: clock(one.end), score }))),
    may("enroller") && make("div", { class: "row" },
      make("button", { type: "button", class: "main", onclick: answer("accept") }, t("videos.accept")),
      make("button", { type: "button", onclick: answer("refuse") }, t("videos.refuse"))),
  );
}

const play = player(refresh);
const open = card(play, refresh);
jobs(refresh);

byId("undo").addEventListener("click", async () => {
  try {
    const { command } = await ask("POST", "/v1/video-people/undo");
    await refresh();
    state.replaceChildren(notice("good", t("videos.undone", { command: t(`command.${command}`) })));
  } catch (problem) {
    state.replaceChildren(notice("unsure", t("videos.nothing_to_undo")));
  }
});

const adding = dialog(byId("adding"));
if (may("admin")) {
  byId("add").hidden = false;
  byId("add").addEventListener("click", () => adding.showModal());
}
busy(state, t("base.loading"));
refresh();
