// A video with a line for each person in it: pressing a line plays that moment.
import { ask, may } from "./api.js";
import { dialog } from "./dialogs.js";
import { byId, make, notice } from "./dom.js";
import { line, titleOf } from "./sightings.js";
import { t } from "./texts.js";

/** Returns a function that shows a video, from a time if one is given. */
export function player(changed) {
  const box = dialog(byId("player"), { closed: () => screen.pause() });
  const screen = byId("screen");
  screen.addEventListener("error", () => {
    byId("unplayable").hidden = false;
    screen.hidden = true;
  });

  const from = (time) => {
    screen.currentTime = Math.max(0, time);
    screen.play().catch(() => {});
  };

  return async (video, time = null) => {
    byId("player-title").textContent = video.name;
    byId("unplayable").hidden = true;
    screen.hidden = false;
    screen.src = `/v1/videos/${video.id}/file`;
    screen.setAttribute("aria-label", video.name);
    box.showModal();
    if (time !== null) from(time);
    const lines = byId("lines");
    lines.replaceChildren();
    byId("player-actions").replaceChildren(...(may("admin") ? [removal(video)] : []));
    const query = { video: video.id, limit: 500 };
    const { appearances } = await ask("GET", "/v1/appearances", { query });
    const length = video.seconds || Math.max(1, ...appearances.map((one) => one.end));
    const people = Map.groupBy(
      appearances.filter((one) => one.person !== null), (one) => one.person,
    );
    lines.append(...[...people.values()].map((some) => make(
      "div", { class: "strip" }, make("span", {}, titleOf(some[0])),
      line(some, length, (one) => from(one.start)),
    )));
    if (!people.size) lines.append(make("p", { class: "soft" }, t("videos.nobody")));
  };

  function removal(video) {
    const button = make("button", { type: "button", class: "bad" }, t("videos.remove"));
    button.addEventListener("click", async () => {
      if (button.dataset.sure) {
        button.disabled = true;
        try {
          await ask("DELETE", `/v1/videos/${video.id}`);
          box.close();
          changed();
        } catch (problem) {
          byId("player-actions").append(notice("bad", problem.message, problem.remedy));
        }
        return;
      }
      button.dataset.sure = "yes";
      button.textContent = t("videos.remove_yes");
    });
    return button;
  }
}
