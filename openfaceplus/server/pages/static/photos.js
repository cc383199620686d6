// Where photos are dropped, pasted, picked or taken.
import { open, shut, snapshot } from "./camera.js";
import { t } from "./texts.js";

/** Makes a field of photos work; `got` is called with a list of files. Returns how to stop it. */
export function photos(field, got) {
  const input = field.querySelector('input[type="file"]');
  const camera = field.querySelector("[data-camera]");
  const video = camera.querySelector("video");
  const opener = field.querySelector("[data-open]");
  const problem = field.querySelector("[data-problem]");
  let taken = 0;

  const give = (files) => {
    const some = [...files].slice(0, input.multiple ? undefined : 1);
    problem.hidden = true;
    if (some.length) got(some);
  };

  const say = (text) => {
    problem.textContent = text;
    problem.hidden = false;
  };

  const close = () => {
    const focused = camera.contains(document.activeElement);
    shut(video);
    camera.hidden = true;
    opener.hidden = false;
    if (focused) opener.focus();
  };

  input.addEventListener("change", () => {
    give(input.files);
    input.value = "";
  });

  for (const name of ["dragenter", "dragover"]) {
    field.addEventListener(name, (event) => {
      event.preventDefault();
      field.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    field.addEventListener(name, () => field.classList.remove("over"));
  }
  field.addEventListener("drop", (event) => {
    event.preventDefault();
    give(event.dataTransfer.files);
  });

  opener.addEventListener("click", async () => {
    problem.hidden = true;
    try {
      await open(video);
      camera.hidden = false;
      opener.hidden = true;
      field.querySelector("[data-take]").focus();
    } catch (error) {
      say(error.message);
    }
  });
  field.querySelector("[data-shut]").addEventListener("click", close);
  field.querySelector("[data-take]").addEventListener("click", async () => {
    taken += 1;
    const blob = await snapshot(video);
    give([new File([blob], t("photos.taken", { n: taken }), { type: "image/jpeg" })]);
    if (!input.multiple) close();
  });
  return close;
}

// A photo dropped beside its field must not replace the page.
for (const name of ["dragover", "drop"]) {
  window.addEventListener(name, (event) => event.preventDefault());
}
