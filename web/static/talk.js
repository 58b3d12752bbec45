"use strict";
// A call from the browser: the microphone over WebRTC, keys by the data channel, the transcript by server-sent events.
(() => {
  const setup = document.querySelector("[data-setup]");
  for (const choice of document.querySelectorAll("[data-choose]")) {
    choice.addEventListener("change", () => {
      if (choice.name === "bot") setup.querySelector("[name=version]")?.setAttribute("disabled", "");
      setup.submit();
    });
  }
  const stage = document.querySelector("[data-talk]");
  if (!stage) return;
  const part = (name) => document.querySelector(`[data-${name}]`);
  const say = (text) => (part("status").textContent = text);
  const ms = (n) => (n >= 1000 ? `${(n / 1000).toFixed(1)} s` : `${n} ms`);
  const percent = (share) => `${Math.round(share * 100)} %`;
  const clock = (n) => `${Math.floor(n / 60000)}:${String(Math.floor(n / 1000) % 60).padStart(2, "0")}`;
  const words = { BOT_HANGUP: "The bot ended the call", USER_HANGUP: "You hung up", SHORT_CALL: "You hung up at once", SILENT: "Nothing was heard of you", MAX_DURATION: "The time for a test call was over", BOT_ERROR: "The bot failed", VOICEMAIL: "Taken for a machine", AGENT_NOT_PICK_UP: "Nobody can be put through in a test call" };

  let call = null;

  const become = (state) => {
    stage.dataset.state = state;
    const idle = state === "idle";
    part("label").textContent = idle ? "Talk again" : state === "talking" ? "Hang up" : "Cancel";
    part("progress").hidden = state !== "preparing";
    for (const field of setup.elements) field.disabled = !idle;
    for (const key of stage.querySelectorAll("[data-key]")) key.disabled = state !== "talking";
  };

  const listen = (context, stream, name) => {
    const ear = context.createAnalyser();
    ear.fftSize = 1024;
    context.createMediaStreamSource(stream).connect(ear);
    const heard = new Float32Array(ear.fftSize);
    const bar = stage.querySelector(`[data-level=${name}]`);
    return () => {
      ear.getFloatTimeDomainData(heard);
      const power = heard.reduce((sum, x) => sum + x * x, 0) / heard.length;
      // From -60 dBFS to -6 dBFS.
      bar.style.transform = `scaleX(${Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-9) + 60) / 54))})`;
    };
  };

  const draw = (mine) => {
    if (call !== mine) return;
    for (const meter of mine.meters) meter();
    if (mine.since) part("clock").textContent = clock(Date.now() - mine.since);
    requestAnimationFrame(() => draw(mine));
  };

  const ask = async (path, body) => {
    const sent = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(path, sent);
    const told = await response.json().catch(() => ({ mistakes: [`The dashboard answered ${response.status}.`] }));
    if (!response.ok) throw new Error(told.mistakes.join(" · "));
    return told;
  };

  const gathered = (pc) =>
    new Promise((done) => {
      const look = () => pc.iceGatheringState === "complete" && done();
      pc.addEventListener("icegatheringstatechange", look);
      setTimeout(done, 3000);
      look();
    });

  const connect = async (mine) => {
    if (mine.pc) return;
    const pc = (mine.pc = new RTCPeerConnection({ iceServers: [] }));
    mine.keys = pc.createDataChannel("call");
    for (const track of mine.mic.getAudioTracks()) pc.addTrack(track, mine.mic);
    pc.addEventListener("track", (e) => {
      const stream = e.streams[0] ?? new MediaStream([e.track]);
      part("voice").srcObject = stream;
      mine.meters.push(listen(mine.sound, stream, "bot"));
    });
    pc.addEventListener("connectionstatechange", () => {
      // After the bot's last word the events still tell how it ended; without a dashboard nothing does.
      if (pc.connectionState === "failed") setTimeout(() => finish(mine, "The connection was lost."), 10000);
    });
    await pc.setLocalDescription(await pc.createOffer());
    await gathered(pc);
    const { sdp } = await ask(`${mine.path}/offer`, { sdp: pc.localDescription.sdp });
    await pc.setRemoteDescription({ type: "answer", sdp });
  };

  const rows = (list, pairs) => {
    list.replaceChildren();
    for (const pair of pairs) {
      const row = list.appendChild(document.createElement("div"));
      for (const [at, tag] of ["dt", "dd"].entries()) row.appendChild(document.createElement(tag)).textContent = pair[at];
    }
  };

  const turn = (one) => {
    const li = document.createElement("li");
    li.className = `turn ${one.speaker}`;
    const put = (tag, name, text, into = li) => {
      const el = into.appendChild(document.createElement(tag));
      if (name) el.className = name;
      el.textContent = text;
      return el;
    };
    const who = put("p", "who", "");
    put("strong", "", one.speaker === "bot" ? "Bot" : "You", who);
    put("span", "seek", clock(one.start_ms), who);
    put("p", "said", one.text);
    const kept = Object.entries(one.collected).map(([name, value]) => `${name} = ${value}`);
    const marks = [
      one.step && `step ${one.step}`,
      one.intent && `intent ${one.intent}${one.confidence == null ? "" : ` ${percent(one.confidence)}`}`,
      kept.length && kept.join(", "),
      one.stt_ms != null && `recognised in ${ms(one.stt_ms)}`,
      one.voice_to_voice_ms != null && `replied after ${ms(one.voice_to_voice_ms)}`,
      one.heard[0]?.score != null && `heard with ${percent(one.heard[0].score)}${one.heard[0].model ? ` by ${one.heard[0].model}` : ""}`,
      one.interrupted && `interrupted${one.barge_in_stop_ms == null ? "" : `, silent after ${ms(one.barge_in_stop_ms)}`}`,
    ].filter(Boolean);
    const line = put("p", "marks", "");
    for (const mark of marks) put("span", "", mark, line);
    const parts = [
      ...Object.entries(one.latency).map(([name, took]) => [name, ms(took)]),
      ...one.heard.slice(1).map((reading) => ["Or heard", reading.text]),
    ];
    if (parts.length) {
      const details = put("details", "parts", "");
      put("summary", "", "Details", details);
      rows(put("dl", "figures", "", details), parts);
    }
    return li;
  };

  const show = (told) => {
    const list = part("turns");
    while (list.children.length > told.from) list.lastChild.remove();
    list.append(...told.turns.map(turn));
    part("nothing").hidden = list.children.length > 0;
    list.lastChild?.scrollIntoView({ block: "nearest" });
  };

  const result = (mine, told) => {
    part("code").textContent = told.code;
    part("code").className = `chip class-${told.code_class}`;
    part("how").textContent = [told.title, words[told.call_status] ?? told.call_status].filter(Boolean).join(" · ");
    const facts = [
      ["Talk", ms(told.talk_ms)],
      ["First word after", told.first_word_ms == null ? "–" : ms(told.first_word_ms)],
      ["Messages of the bot", told.messages],
      ...Object.entries(told.collected),
      told.opted_out && ["Opted out", "a customer's number would be on the do-not-call list now"],
      told.call_back_at && ["Call back at", new Date(told.call_back_at).toLocaleString()],
      told.mails.length && ["E-mail, not sent", told.mails.join(", ")],
      told.error && ["Error", told.error],
    ].filter(Boolean);
    rows(part("figures"), facts);
    const box = part("recording");
    box.hidden = !told.recording;
    if (told.recording) {
      box.querySelector("audio").src = `${mine.path}/recording.wav`;
      box.querySelector("a").href = `${mine.path}/recording.wav?download=1`;
    }
    part("result").hidden = false;
  };

  const finish = (mine, text) => {
    if (call !== mine) return;
    call = null;
    mine.events?.close();
    mine.pc?.close();
    mine.sound?.close();
    for (const track of mine.mic?.getTracks() ?? []) track.stop();
    for (const bar of stage.querySelectorAll("[data-level]")) bar.style.transform = "scaleX(0)";
    become("idle");
    say(text);
  };

  const follow = (mine) => {
    const events = (mine.events = new EventSource(`${mine.path}/events`));
    const on = (name, take) => events.addEventListener(name, (e) => take(JSON.parse(e.data)));
    on("preparing", ({ done, total }) => {
      become("preparing");
      part("progress").max = total || 1;
      part("progress").value = done;
      say(total ? `Preparing the voice: ${done} of ${total} lines.` : "Loading the models.");
    });
    on("ready", () => {
      if (mine.pc) return;
      become("connecting");
      say("Connecting.");
      connect(mine).catch((error) => finish(mine, error.message));
    });
    on("talking", () => {
      mine.since ??= Date.now();
      become("talking");
      say("You are talking.");
    });
    on("turns", show);
    on("ended", (told) => {
      result(mine, told);
      finish(mine, "The call is over.");
    });
    on("failed", ({ text }) => finish(mine, text));
  };

  const start = async () => {
    if (!setup.reportValidity()) return;
    const variables = {};
    for (const field of setup.querySelectorAll("[data-variable]")) variables[field.dataset.variable] = field.value;
    const wish = { bot: stage.dataset.bot, version: Number(stage.dataset.version) || null, variables, rate_hz: Number(part("rate").value) };
    const mine = (call = { meters: [] });
    show({ from: 0, turns: [] });
    part("result").hidden = true;
    part("clock").textContent = "0:00";
    become("asking");
    say("Allow this page the microphone.");
    try {
      if (!navigator.mediaDevices) throw new Error("This browser gives the microphone to pages of localhost and https only.");
      const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
      mine.mic = await navigator.mediaDevices.getUserMedia({ audio: wanted });
      mine.sound = new AudioContext();
      mine.meters.push(listen(mine.sound, mine.mic, "mic"));
      if (call !== mine) throw new Error("Cancelled.");
      const { id } = await ask("/talk/calls", wish);
      mine.path = `/talk/calls/${id}`;
      if (call !== mine) {
        // Given up while it was being asked for.
        fetch(mine.path, { method: "DELETE" });
        return;
      }
      follow(mine);
      draw(mine);
    } catch (error) {
      const refused = error.name === "NotAllowedError" || error.name === "NotFoundError";
      finish(mine, refused ? "There is no microphone, or this page may not use it." : error.message);
      for (const track of mine.mic?.getTracks() ?? []) track.stop();
    }
  };

  const stop = () => {
    const mine = call;
    if (!mine?.path) return finish(mine, "Cancelled.");
    say("Hanging up.");
    fetch(mine.path, { method: "DELETE", keepalive: true }).catch((error) => finish(mine, error.message));
  };

  part("toggle").addEventListener("click", () => (call ? stop() : start()));
  const press = (key) => {
    if (call?.keys?.readyState !== "open") return;
    call.keys.send(JSON.stringify({ type: "key", key }));
    const button = [...stage.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    button.classList.add("pressed");
    setTimeout(() => button.classList.remove("pressed"), 150);
  };
  for (const key of stage.querySelectorAll("[data-key]")) key.addEventListener("click", () => press(key.dataset.key));
  document.addEventListener("keydown", (e) => {
    const typing = e.target.closest("input, textarea, select");
    if (!typing && !e.ctrlKey && !e.metaKey && !e.altKey && /^[0-9*#]$/.test(e.key)) press(e.key);
  });
  addEventListener("pagehide", () => {
    if (call?.path) fetch(call.path, { method: "DELETE", keepalive: true });
    call?.pc?.close();
  });
})();
