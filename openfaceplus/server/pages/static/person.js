// One person: rename, add photos, remove with a receipt.
import { ask, form, may } from "./api.js";
import { busy, byId, icon, make, notice } from "./dom.js";
import { dialog } from "./dialogs.js";
import { portrait } from "./portrait.js";
import { counted, t, when } from "./texts.js";

/** Returns a function that shows the person of an id. */
export function card({ add, changed }) {
  const box = dialog(byId("person"));
  const body = box.firstElementChild;

  const top = (title) => make(
    "div", { class: "top" }, make("h2", { id: "person-name" }, title),
    make(
      "button", { type: "button", class: "plain", "data-close": true, "aria-label": t("base.close") },
      icon("close"),
    ),
  );

  /** Does something that takes a while, and says what came of it. */
  async function attempt(state, button, work) {
    button.disabled = true;
    busy(state, t("people.saving"));
    try {
      await work();
    } catch (problem) {
      state.replaceChildren(notice("bad", problem.message, problem.remedy));
      button.disabled = false;
    }
  }

  function facts(person) {
    const rows = [[t("people.enrolled_with"), counted("people.photo_count", person.enrolled_photos)]];
    if (person.consent) {
      rows.push(
        [t("people.consent_short"), person.consent.consent],
        [t("people.purpose_short"), person.consent.purpose],
        [t("people.recorded"), t("people.recorded_by", {
          when: when(person.consent.recorded), who: person.consent.by,
        })],
      );
    }
    return make(
      "dl", { class: "facts" }, rows.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
    );
  }

  function main(person) {
    const shape = portrait(person);
    shape.classList.add("large");
    body.replaceChildren(
      top(person.name),
      make("div", { class: "about" }, shape, facts(person)),
      person.consent ? "" : notice("unsure", t("people.no_consent")),
      make(
        "div", { class: "row" },
        may("enroller") && button("people.add_photos", () => {
          box.close();
          add(person);
        }),
        may("enroller") && button("people.rename", () => rename(person)),
        may("admin") && button("people.remove", () => remove(person), "bad"),
      ),
    );
  }

  function rename(person) {
    const state = make("div");
    const input = make("input", { id: "new-name", maxLength: 100, required: true, value: person.name });
    const save = make("button", { type: "submit", class: "main" }, t("people.rename"));
    body.replaceChildren(
      top(t("people.rename_title", { name: person.name })),
      make(
        "form", {
          class: "stack", onsubmit: (event) => {
            event.preventDefault();
            attempt(state, save, async () => {
              const body = form({ name: input.value });
              main(await ask("PATCH", `/v1/people/${person.id}`, { body }));
              changed();
            });
          },
        },
        make("div", { class: "field" }, make("label", { for: "new-name" }, t("people.name")), input),
        state,
        make("div", { class: "row end" }, button("base.cancel", () => main(person)), save),
      ),
    );
    input.select();
  }

  function remove(person) {
    const state = make("div");
    const yes = make("button", { type: "button", class: "main bad" }, t("people.remove_yes"));
    yes.addEventListener("click", () => attempt(state, yes, async () => {
      const receipt = await ask("DELETE", `/v1/people/${person.id}`);
      body.replaceChildren(
        top(t("people.removed", { name: person.name })),
        notice("good", t("people.receipt")),
        make(
          "dl", { class: "facts", id: "receipt" },
          ["vectors", "rows", "files", "photos_left"].map((what) => [
            make("dt", {}, t(`receipt.${what}`)), make("dd", { class: "number" }, String(receipt[what])),
          ]),
        ),
        receipt.photos_left ? notice("unsure", t("people.photos_left")) : "",
        make("div", { class: "row end" }, make("button", { type: "button", class: "main", "data-close": true }, t("base.done"))),
      );
      body.querySelector(".main").focus();
      changed();
    }));
    body.replaceChildren(
      top(t("people.remove_title", { name: person.name })),
      make("p", {}, t("people.remove_about")), state,
      make("div", { class: "row end" }, button("base.cancel", () => main(person)), yes),
    );
    yes.focus();
  }

  const button = (key, onclick, kind = "") =>
    make("button", { type: "button", class: kind, onclick }, t(key));

  return async (id) => {
    body.replaceChildren(top(t("base.loading")));
    box.showModal();
    try {
      main(await ask("GET", `/v1/people/${id}`));
    } catch (problem) {
      body.replaceChildren(top(t("base.problem")), notice("bad", problem.message, problem.remedy));
    }
  };
}
