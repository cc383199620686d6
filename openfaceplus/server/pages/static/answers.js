// What was decided about a face, in words.
import { make } from "./dom.js";
import { confidence, list, number, t } from "./texts.js";

/** "known", "stranger", "unsure" or "unjudged". */
export function kindOf(face) {
  if (face.note) return "unjudged";
  if (face.unsure_between) return "unsure";
  return face.name === null ? "stranger" : "known";
}

export function titleOf(face) {
  const kind = kindOf(face);
  if (kind === "known") return face.name;
  if (kind === "unsure") return list(face.unsure_between, "disjunction");
  return t(`face.${kind}`);
}

/** A list's entry about a face; `crop` shows it. */
export function answer(face, threshold, crop) {
  const kind = kindOf(face);
  const sure = make("span", { class: "meter" }, make("span"));
  sure.firstChild.style.width = percentOf(face.confidence);
  const closest = { name: face.closest, percent: confidence(face.confidence) };
  return make(
    "li", { class: `answer ${kind}`, "data-kind": kind },
    crop ?? make("span", { class: "face" }),
    make("strong", {}, titleOf(face)),
    make(
      "div", { class: "tight small" },
      kind === "unjudged" && make("p", {}, t(`photo.${face.note}.remedy`)),
      kind === "unsure" && make("p", {}, t("face.unsure")),
      make("p", {}, t(kind === "known" ? "face.confidence" : "face.closest", closest)),
      sure,
      make("p", { class: "soft number" }, t("face.score", {
        score: number(face.score, 2),
        threshold: threshold === null ? t("face.nobody") : number(threshold, 2),
      })),
    ),
  );
}

const percentOf = (value) => `${Math.round(100 * value)}%`;
