// Faces of videos, and times in them.
import { make } from "./dom.js";
import { t } from "./texts.js";

/** Seconds as 1:02 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, n) => (n ? String(part).padStart(2, "0") : part)).join(":");
}

export const titleOf = (person) => person.name ?? t("videos.person", { n: person.person });

/** A picture of a face; empty where there is none. */
function face(src, kind) {
  const box = make("span", { class: kind });
  box.append(make("img", {
    alt: "", loading: "lazy", decoding: "async", src, onerror: () => box.replaceChildren(),
  }));
  return box;
}

export const faceOf = (sequence, kind) => face(`/v1/sequences/${sequence}/crop`, kind);
export const portraitOf = (person, kind) => face(`/v1/video-people/${person}/thumbnail`, kind);

/** A line over a video's length; each appearance is a part of it that can be pressed. */
export function line(appearances, seconds, pressed) {
  const bar = make("span", { class: "line" });
  for (const one of appearances) {
    const text = t("videos.from_to", { from: clock(one.start), to: clock(one.end) });
    const part = make("button", {
      type: "button", class: "part", title: text, "aria-label": t("videos.play_from", { time: text }),
      onclick: () => pressed(one),
    });
    part.style.left = `${(100 * one.start) / seconds}%`;
    part.style.width = `max(.6rem, ${(100 * (one.end - one.start)) / seconds}%)`;
    bar.append(part);
  }
  return bar;
}
