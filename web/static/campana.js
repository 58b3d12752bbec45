"use strict";
// Running clocks, and the player: the rest of the pages works without scripts.
(() => {
  const clock = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const two = (n) => String(n).padStart(2, "0");
    const h = Math.floor(s / 3600);
    const m = Math.floor(s / 60) % 60;
    return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  };

  const tick = () => {
    for (const el of document.querySelectorAll("[data-since]")) {
      el.textContent = clock(Date.now() - Number(el.dataset.since));
    }
  };
  setInterval(tick, 1000);
  document.addEventListener("htmx:afterSettle", tick);
  document.addEventListener("htmx:sseMessage", tick);
  tick();

  const player = document.querySelector("[data-player]");
  if (!player) return;
  const audio = player.querySelector("audio");
  const wave = player.querySelector("[data-wave]");
  const head = player.querySelector("[data-head]");
  const turns = [...document.querySelectorAll("[data-turn]")];
  const length = () => (Number.isFinite(audio.duration) ? audio.duration * 1000 : Number(player.dataset.length));

  const show = () => {
    const at = audio.currentTime * 1000;
    head.hidden = !length();
    head.style.left = `${(100 * at) / (length() || 1)}%`;
    for (const turn of turns) {
      const now = at >= Number(turn.dataset.from) && at < Number(turn.dataset.to) && !audio.paused;
      turn.classList.toggle("now", now);
    }
  };
  for (const name of ["timeupdate", "seeked", "pause", "play", "loadedmetadata"]) audio.addEventListener(name, show);

  const go = (ms) => {
    audio.currentTime = ms / 1000;
    audio.play();
  };
  wave.addEventListener("click", (e) => {
    const box = wave.getBoundingClientRect();
    go((length() * (e.clientX - box.left)) / box.width);
  });
  document.addEventListener("click", (e) => {
    const seek = e.target.closest("[data-seek]");
    if (seek) go(Number(seek.dataset.seek));
  });
})();
