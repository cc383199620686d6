// A photo with its faces marked.
import { make } from "./dom.js";
import { t } from "./texts.js";

/**
 * Marks faces over a picture of a size, which fills an element. `mark(faces)` draws boxes of
 * {box, kind, label}; `choose(index)` sets one off.
 */
export function marker(element, width, height, mirrored = false) {
  let boxes = [];
  const inside = (value, most) => Math.min(most, Math.max(0, value));

  const mark = (faces) => {
    boxes.forEach((box) => box.remove());
    boxes = faces.map(({ box: [left, top, right, bottom], kind, label }) => {
      const low = bottom > height * 0.93 ? " low" : "";
      const start = inside(mirrored ? width - right : left, width);
      const end = inside(mirrored ? width - left : right, width);
      const far = start > width * 0.75 ? " far" : "";
      const box = make(
        "div", { class: `mark ${kind}${low}${far}`, "aria-hidden": "true" },
        make("span", {}, label),
      );
      Object.assign(box.style, {
        left: `${(100 * start) / width}%`,
        top: `${(100 * inside(top, height)) / height}%`,
        width: `${(100 * (end - start)) / width}%`,
        height: `${(100 * (inside(bottom, height) - inside(top, height))) / height}%`,
      });
      return box;
    });
    element.append(...boxes);
  };

  const choose = (index) =>
    boxes.forEach((box, number) => box.classList.toggle("chosen", number === index));
  return { mark, choose };
}

/**
 * Shows a photo, whose faces a `marker` marks and `crop` shows one by one. `element` is empty
 * where the browser cannot show such a photo.
 */
export async function picture(blob, name) {
  const image = make("img", { alt: t("picture.photo", { name }), src: URL.createObjectURL(blob) });
  const element = make("div", { class: "picture" }, image);
  try {
    await image.decode();
  } catch {
    element.replaceChildren();
    return { element, mark: () => {}, choose: () => {}, crop: () => null };
  }
  const { mark, choose } = marker(element, image.naturalWidth, image.naturalHeight);

  /** A face by itself, with a little around it. */
  const crop = ([left, top, right, bottom], side = 104) => {
    const canvas = make("canvas", { class: "face", width: side, height: side });
    const size = Math.max(right - left, bottom - top) * 1.3;
    const [x, y] = [(left + right - size) / 2, (top + bottom - size) / 2];
    canvas.getContext("2d").drawImage(image, x, y, size, size, 0, 0, side, side);
    canvas.setAttribute("aria-hidden", "true");
    return canvas;
  };
  return { element, mark, choose, crop };
}
