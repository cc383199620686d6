// Adding a person, or photos to one, with a verdict on each photo as it is chosen.
import { ask, form } from "./api.js";
import { byId, icon, make, notice, busy } from "./dom.js";
import { dialog } from "./dialogs.js";
import { photos } from "./photos.js";
import { t } from "./texts.js";

const FORGIVEN = ["several_faces", "looks_like_another"];

/** Returns a function that opens the dialog, for a person or, with null, for a new one. */
export function adding(added) {
  const box = dialog(byId("adding"), { closed: () => closeCamera() });
  const list = byId("chosen");
  const state = byId("adding-state");
  const anyway = byId("anyway");
  let chosen = [];
  let person = null;
  const closeCamera = photos(byId("enrol"), (files) => files.forEach(take));

  async function take(file) {
    const one = { file, verdict: null };
    chosen.push(one);
    one.row = make(
      "li", {}, preview(file), make("p", { class: "small" }, file.name),
      make("span", { class: "busy small" }, t("people.checking")),
    );
    list.append(one.row);
    await judge(one);
    settle();
  }

  async function judge(one) {
    try {
      const body = form({ photo: one.file, person: person?.id });
      const answer = await ask("POST", "/v1/people/check", { body });
      [one.verdict] = answer.photos;
    } catch (problem) {
      one.verdict = { verdict: "failed", usable: false, problem };
    }
    draw(one);
  }

  function draw(one) {
    const { verdict, usable, problem } = one.verdict;
    const forgivable = !usable && FORGIVEN.includes(verdict);
    const kind = usable ? "good" : forgivable ? "unsure" : "bad";
    const text = problem ? problem.message : t(`photo.${verdict}`);
    one.taken = usable || (forgivable && anyway.checked);
    one.row.replaceChildren(
      preview(one.file),
      make(
        "div", { class: "tight" }, make("p", { class: "small" }, one.file.name),
        make("span", { class: `tag ${kind}`, "data-verdict": verdict }, text),
      ),
      make(
        "button", {
          type: "button", class: "plain", "aria-label": t("people.drop_photo", { name: one.file.name }),
          onclick: () => {
            chosen = chosen.filter((other) => other !== one);
            one.row.remove();
            settle();
          },
        }, icon("close"),
      ),
    );
  }

  function settle() {
    const judged = chosen.filter((one) => one.verdict);
    byId("anyway-row").hidden = !judged.some((one) => FORGIVEN.includes(one.verdict.verdict));
    byId("save").disabled = !judged.some((one) => one.taken) || judged.length < chosen.length;
  }

  anyway.addEventListener("change", () => {
    chosen.filter((one) => one.verdict).forEach(draw);
    settle();
  });

  box.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (byId("save").disabled) return;
    const body = form({
      photo: chosen.filter((one) => one.taken).map((one) => one.file),
      anyway: anyway.checked ? "true" : "false",
      ...(person ? {} : {
        name: byId("name").value, consent: byId("consent").value, purpose: byId("purpose").value,
      }),
    });
    byId("save").disabled = true;
    busy(state, t("people.saving"));
    try {
      const path = person ? `/v1/people/${person.id}/photos` : "/v1/people";
      const answer = await ask("POST", path, { body });
      box.close();
      added(answer);
    } catch (problem) {
      state.replaceChildren(notice("bad", problem.message, problem.remedy));
      settle();
    }
  });

  return (whom) => {
    person = whom;
    chosen = [];
    list.replaceChildren();
    state.replaceChildren();
    box.querySelector("form").reset();
    for (const field of box.querySelectorAll("[data-new]")) {
      field.hidden = Boolean(person);
      field.querySelector("input, textarea").disabled = Boolean(person);
    }
    byId("adding-title").textContent = person
      ? t("people.add_photos_to", { name: person.name }) : t("people.add");
    byId("save").textContent = t(person ? "people.save_photos" : "people.save");
    settle();
    box.showModal();
  };
}

function preview(file) {
  const image = make("img", { class: "face", alt: "", src: URL.createObjectURL(file) });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src));
  image.addEventListener("error", () => image.replaceWith(make("span", { class: "face" })));
  return image;
}
