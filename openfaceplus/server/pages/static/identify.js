// Who is in photos, and what another false-accept rate would say.
import { ask, form } from "./api.js";
import { busy, byId, make, notice } from "./dom.js";
import { answer, kindOf, titleOf } from "./answers.js";
import { photos } from "./photos.js";
import { picture } from "./picture.js";
import { rateSlider } from "./rate.js";
import { counted, t } from "./texts.js";

const shown = [];
const state = byId("state");
const results = byId("results");
const slider = rateSlider(() => shown.forEach((one) => one.redraw()));
let queue = Promise.resolve();

photos(byId("photos"), (files) => {
  queue = queue.then(() => look(files));
});

async function look(files) {
  busy(state, counted("identify.looking", files.length));
  for (const file of files) {
    let card;
    try {
      const body = form({ photo: file, rates: "true" });
      const answered = await ask("POST", "/v1/identify", { body });
      card = await result(file, answered.photos[0]);
    } catch (problem) {
      card = failed(file, problem);
    }
    results.prepend(card);
  }
  busy(state, "");
  state.append(make("span", { class: "unseen" }, counted("identify.looked", files.length)));
}

function failed(file, problem) {
  return make(
    "article", { class: "card stack" }, make("h2", {}, file.name),
    notice("bad", problem.message, problem.remedy),
  );
}

async function result(file, found) {
  const image = await picture(file, file.name);
  const summary = make("p", { class: "soft" });
  const list = make("ol", { class: "answers" });
  const card = make(
    "article", { class: "card stack" },
    make("div", { class: "spread" }, make("h2", {}, file.name), summary),
    image.element, list,
  );
  if (!found.faces.length) {
    const status = `photo.${found.status}`;
    image.element.after(notice("unsure", t(status), t(`${status}.remedy`)));
    list.remove();
    return card;
  }
  if (!image.element.firstChild) image.element.replaceWith(notice("", t("picture.not_shown")));
  const crops = found.faces.map((face) => image.crop(face.box));

  const redraw = () => {
    const rate = found.rates.find(({ far }) => far === slider.far) ?? found.rates[0];
    const faces = found.faces.map((face, n) => ({ ...face, ...rate.faces[n] }));
    image.mark(faces.map((face) => ({ box: face.box, kind: kindOf(face), label: titleOf(face) })));
    list.replaceChildren(
      ...faces.map((face, n) => {
        const item = answer(face, rate.threshold, crops[n]);
        item.addEventListener("pointerenter", () => image.choose(n));
        item.addEventListener("pointerleave", () => image.choose(-1));
        return item;
      }),
    );
    const known = faces.filter((face) => face.name !== null).length;
    summary.textContent = t("identify.summary", {
      faces: counted("faces", faces.length), known: counted("known", known),
    });
  };
  if (found.more_faces) list.after(notice("", counted("identify.more", found.more_faces)));
  shown.push({ redraw });
  redraw();
  return card;
}
