// One person of the videos: where they were, and what can be put right.
import { ask, form, may } from "./api.js";
import { dialog } from "./dialogs.js";
import { byId, icon, make, notice } from "./dom.js";
import { clock, faceOf, line, titleOf } from "./sightings.js";
import { counted, t } from "./texts.js";

const SHOWN = 200;

/** Returns a function that shows the person of a number. */
export function card(play, changed) {
  const box = dialog(byId("person"));
  const body = box.firstElementChild;
  const chosen = new Set();

  async function open(id) {
    chosen.clear();
    const query = { person: id, limit: SHOWN };
    const [person, { appearances }, { videos }] = await Promise.all([
      ask("GET", `/v1/video-people/${id}`), ask("GET", "/v1/appearances", { query }),
      ask("GET", "/v1/videos", { query: { limit: 500 } }),
    ]);
    const known = new Map(videos.map((video) => [video.id, video]));
    draw(person, appearances, known);
    if (!box.open) box.showModal();
  }

  function draw(person, appearances, known) {
    const state = make("div");
    /** Puts something right, then shows what became of it. */
    const attempt = async (work) => {
      try {
        const after = await work();
        changed();
        if (after === null) box.close();
        else await open(after);
      } catch (problem) {
        state.replaceChildren(notice("bad", problem.message, problem.remedy));
      }
    };
    const call = (path, values) =>
      ask("POST", `/v1/video-people/${person.person}/${path}`, { body: form(values) });

    const facts = [
      counted("videos.sequences", person.sequences), counted("videos.count", person.videos),
      clock(person.seconds),
    ];
    body.replaceChildren(
      make(
        "div", { class: "top" },
        make("div", { class: "tight" }, make("h2", { id: "person-name" }, titleOf(person)),
          make("p", { class: "soft small number" }, facts.join(" · "))),
        make("button", { type: "button", class: "plain", "data-close": true, "aria-label": t("base.close") }, icon("close")),
      ),
      may("enroller") ? naming(person, attempt) : "",
      make("div", { class: "tight" }, lines(appearances, known)),
      faces(appearances, known),
      state,
      may("enroller") ? actions(person, attempt, call) : "",
    );
  }

  function naming(person, attempt) {
    const input = make("input", { id: "video-name", maxLength: 100, value: person.name ?? "", autocomplete: "off" });
    return make(
      "form", {
        class: "inline", onsubmit: (event) => {
          event.preventDefault();
          attempt(async () => {
            const body = form({ name: input.value });
            await ask("PATCH", `/v1/video-people/${person.person}`, { body });
            return person.person;
          });
        },
      },
      make("label", { for: "video-name", class: "unseen" }, t("people.name")), input,
      make("button", { type: "submit" }, t("videos.name")),
    );
  }

  function lines(appearances, known) {
    return [...Map.groupBy(appearances, (one) => one.video_id)].map(([id, some]) => {
      const video = known.get(id);
      const seconds = video?.seconds || Math.max(1, ...some.map((one) => one.end));
      return make(
        "div", { class: "strip" }, make("span", { title: some[0].video }, some[0].video),
        line(some, seconds, (one) => watch(video, one)),
      );
    });
  }

  function watch(video, one) {
    if (!video) return;
    box.close();
    play(video, one.start);
  }

  function faces(appearances, known) {
    return make("ul", { class: "plain-list faces" }, appearances.map((one) => {
      const tick = make("input", {
        type: "checkbox", "aria-label": t("videos.choose", { time: clock(one.start) }),
        onchange: () => {
          if (tick.checked) chosen.add(one.sequence);
          else chosen.delete(one.sequence);
          byId("split").disabled = byId("not").disabled = !chosen.size;
        },
      });
      const text = t("videos.at", { video: one.video, time: clock(one.start) });
      return make(
        "li", {},
        make("button", { type: "button", class: "sighting", onclick: () => watch(known.get(one.video_id), one), "aria-label": t("videos.play_from", { time: text }) },
          faceOf(one.sequence, "large-face")),
        make("span", { class: "spread small number" }, clock(one.start), may("enroller") && tick),
      );
    }));
  }

  function actions(person, attempt, call) {
    const other = make("select", { id: "other", "aria-label": t("videos.merge_with") });
    other.append(make("option", { value: "" }, t("videos.merge_with")));
    ask("GET", "/v1/video-people", { query: { limit: 500 } }).then(({ people }) => {
      other.append(...people.filter((one) => one.person !== person.person).map(
        (one) => make("option", { value: one.person }, titleOf(one)),
      ));
    });
    const deed = (id, text, work) =>
      make("button", { type: "button", id, onclick: () => attempt(work) }, text);
    const split = deed("split", t("videos.split"), async () =>
      (await call("split", { sequence: [...chosen] })).person);
    const not = deed("not", t("videos.not"), async () => {
      for (const sequence of chosen) await call("not", { sequence });
      return person.person;
    });
    split.disabled = not.disabled = true;
    const merge = deed("merge", t("videos.merge"), async () => {
      if (other.value) await call("merge", { other: other.value });
      return person.person;
    });
    const forget = make("button", { type: "button", class: "bad" }, t("videos.forget"));
    forget.addEventListener("click", () => {
      if (!forget.dataset.sure) {
        forget.dataset.sure = "yes";
        forget.textContent = t("videos.forget_yes");
        return;
      }
      attempt(async () => {
        await ask("DELETE", `/v1/video-people/${person.person}`);
        return null;
      });
    });
    return make(
      "div", { class: "stack" },
      make("div", { class: "row" }, split, not, make("span", { class: "soft small" }, t("videos.split_help"))),
      make("div", { class: "row" }, other, merge, may("admin") && forget),
    );
  }
  return open;
}
