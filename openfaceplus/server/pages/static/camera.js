// The webcam.
import { t } from "./texts.js";

/** Starts the camera into a video element; rejects with an Error that says why not. */
export async function open(video) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(t("camera.insecure"));
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" },
    });
  } catch (error) {
    const refused = ["NotAllowedError", "SecurityError"].includes(error.name);
    const none = ["NotFoundError", "OverconstrainedError"].includes(error.name);
    throw new Error(t(refused ? "camera.refused" : none ? "camera.none" : "camera.failed"));
  }
  video.srcObject = stream;
  await video.play();
}

export function shut(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** What the camera sees now, as a JPEG no wider than asked. */
export async function snapshot(video, width = 1280) {
  const scale = Math.min(1, width / video.videoWidth);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}
