// Whether two photos show one person, or one shows somebody who is enrolled.
import { ask, form } from "./api.js";
import { claim } from "./claim.js";
import { busy, byId, make, notice } from "./dom.js";
import { photos } from "./photos.js";
import { picture } from "./picture.js";
import { portrait } from "./portrait.js";
import { number, t } from "./texts.js";

const result = byId("result");
const far = byId("far");
const given = { first: null, second: null };
let asked = 0;

for (const option of far.options) {
  option.textContent = t("rate.figure", { of: number(Number(option.dataset.of)) });
}
for (const which of ["first", "second"]) {
  photos(byId(which), async ([file]) => {
    const image = await picture(file, file.name);
    given[which] = { file, image };
    show(which, image.element.firstChild ? image.element : notice("", t("picture.not_shown")));
    compare();
  });
}

const person = claim(byId("claimed"), (found) => {
  if (withPerson()) show("second", found ? portrait(found) : null);
  compare();
});
const withPerson = () => document.querySelector('[name="with"]:checked').value === "person";

for (const choice of document.querySelectorAll('[name="with"]')) {
  choice.addEventListener("change", () => {
    byId("with-photo").hidden = withPerson();
    byId("with-person").hidden = !withPerson();
    const found = person();
    show("second", withPerson() ? found && portrait(found) : given.second?.image.element);
    compare();
  });
}
far.addEventListener("change", compare);

function show(which, element) {
  document.querySelector(`[data-shown="${which}"]`).replaceChildren(...(element ? [element] : []));
}

async function compare() {
  const mine = ++asked;
  const other = withPerson() ? person() : given.second;
  if (!given.first || !other) {
    result.replaceChildren();
    return;
  }
  busy(result, t("verify.comparing"));
  const body = form({
    photo: withPerson() ? given.first.file : [given.first.file, other.file],
    person: withPerson() ? other.id : null,
    far: far.value,
  });
  let answer;
  try {
    answer = await ask("POST", "/v1/verify", { body });
  } catch (problem) {
    if (mine === asked) result.replaceChildren(notice("bad", problem.message, problem.remedy));
    return;
  }
  if (mine !== asked) return;
  const kind = answer.same ? "known" : "stranger";
  [given.first, withPerson() ? null : other].forEach((one, n) => {
    one?.image.mark([{ box: answer.boxes[n], kind, label: t(`verify.${answer.same ? "same" : "different"}`) }]);
  });
  result.replaceChildren(said(answer, withPerson() ? other.name : null));
}

function said(answer, name) {
  const key = `verify.${answer.same ? "same" : "different"}`;
  const title = name === null ? t(key) : t(`${key}_person`, { name });
  const most = Math.max(1.2, answer.limit * 1.5, answer.distance * 1.1);
  const place = (value) => `${(100 * value) / most}%`;
  const distance = make("span", { class: "needle" });
  distance.style.left = place(answer.distance);
  const allowed = make("span", { class: "allowed" });
  allowed.style.width = place(answer.limit);
  const values = { distance: number(answer.distance, 3), limit: number(answer.limit, 3) };
  return make(
    "div", { class: `card stack verdict ${answer.same ? "good" : "bad"}` },
    make("h2", {}, title),
    make("p", {}, t("verify.said", values)),
    make("div", { class: "scale", "aria-hidden": "true" }, allowed, distance),
    make(
      "div", { class: "spread small soft", "aria-hidden": "true" },
      make("span", {}, t("verify.alike")), make("span", {}, t("verify.unlike")),
    ),
  );
}
