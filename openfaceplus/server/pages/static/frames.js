// A camera's frames to the server, and what it says of them.
import { snapshot } from "./camera.js";

const WIDTH = 640;
const PAUSE = 60; // milliseconds between an answer and the next frame

/** Sends frames one after the other; `answered` gets each answer, `ended` why it is over, if not
 * by `stop()`. `challenge()` has a movement asked of the face. This returns both. */
export function frames(video, { agree = 3, liveness = false, answered, ended }) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const query = new URLSearchParams({ agree, liveness });
  const socket = new WebSocket(`${scheme}//${location.host}/v1/frames?${query}`);
  let running = true;

  const send = async () => {
    if (!running || !video.videoWidth) return;
    const frame = await snapshot(video, WIDTH);
    if (running && frame) socket.send(frame);
  };
  socket.addEventListener("open", send);
  socket.addEventListener("message", ({ data }) => {
    if (!running) return;
    const scale = Math.max(1, video.videoWidth / WIDTH);
    answered(JSON.parse(data), scale);
    setTimeout(send, PAUSE);
  });
  socket.addEventListener("close", ({ code }) => {
    if (running) ended(code);
    running = false;
  });
  const stop = () => {
    running = false;
    socket.close();
  };
  return { stop, challenge: () => socket.send("liveness") };
}
