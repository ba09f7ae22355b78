// Play, step and scrub the iterates that are there. The cursor lives in the browser; Python hears of it on release.
import { emit, group, listen, setCursor } from "./bus.js";
import { el, instanceOf, release, svg } from "./dom.js";
import { indexAt, unpack } from "./pack.js";
import { themeOf } from "./theme.js";

const BASE_RATE = 10;
const SPEEDS = [0.5, 1, 2, 4, 8];
const REPORT_AFTER = 250;
/** Playback by group: it goes on when the node is made anew. */
const players = new Map();

const ICONS = {
  first: "M4 3v10M13 3 6.5 8l6.5 5z",
  back: "M11.5 3 5 8l6.5 5z",
  play: "M4.5 2.5 13 8l-8.5 5.5z",
  pause: "M4 3h3v10H4zM9.5 3h3v10h-3z",
  forth: "M4.5 3 11 8l-6.5 5z",
  last: "M12 3v10M3 3l6.5 5L3 13z",
  loop: "M4 9.5V8a3 3 0 0 1 3-3h5M9.7 2.6 12.2 5 9.7 7.4M12 6.5V8a3 3 0 0 1-3 3H4M6.3 8.6 3.8 11l2.5 2.4",
};

/** Entry point of the component. */
export const transport = {
  render(component) {
    const bar = instanceOf(component, (root) => new Bar(root));
    bar.update(component.data, component.setStateValue);
  },
  release,
};

/** Moves the cursor of one group through its recorded iterates. */
export class Player {
  constructor(id) {
    Object.assign(this, { id, ks: [0], index: 0, playing: false, follow: false, loop: false, speed: 1, running: false, rate: BASE_RATE });
    this.changed = () => {};
    this.progress = 0;
    // a click in a chart moves the cursor too
    listen("cursor", id, ({ k, origin }) => {
      if (origin === "transport" || origin === "play") return;
      this.pause();
      this.follow = false;
      this.index = indexAt(this.ks, k);
      this.changed("moved");
    });
  }

  /** Take the recorded iterates; a new run starts from its beginning, or at start when one is given. */
  take({ run, ks, running, follow, start, loop, rate }) {
    const fresh = this.run !== run;
    const ended = this.running && !running;
    // iterates that arrive while the cursor waits at the newest one are played, however fast they came
    const arrived = !fresh && this.atEnd && ks.length > this.ks.length;
    Object.assign(this, { run, ks, running, rate: rate ?? BASE_RATE });
    const state = group(this.id);
    state.newest = ks[ks.length - 1];
    if (fresh) {
      this.follow = follow;
      this.index = start === null ? 0 : indexAt(ks, start);
      this.progress = 0;
      this.loop = Boolean(loop);
      if (this.loop || (start === null && (running || ks.length > 1))) this.play();
      else this.pause();
    }
    if (arrived && !this.follow && !this.playing) this.play();
    this.index = Math.min(this.index, ks.length - 1);
    if (this.follow && (running || ended)) this.index = ks.length - 1;
    setCursor(this.id, ks[this.index], this.follow ? "transport" : "play");
    this.changed("data");
  }

  get atEnd() {
    return this.index >= this.ks.length - 1;
  }

  go(index, origin = "transport") {
    this.index = Math.min(this.ks.length - 1, Math.max(0, index));
    setCursor(this.id, this.ks[this.index], origin);
    this.changed("moved");
  }

  /** A step by hand stops the playing and the following. */
  step(by) {
    this.pause();
    this.follow = false;
    this.go(this.index + by);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    this.follow = false;
    if (this.atEnd && !this.running) this.go(0);
    this.setPlaying(true);
    this.last = performance.now();
    this.frame ||= requestAnimationFrame((now) => this.tick(now));
  }

  pause() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.playing) this.setPlaying(false);
  }

  setPlaying(playing) {
    this.playing = playing;
    group(this.id).playing = playing;
    emit("play", this.id, { playing });
    this.changed("playing");
  }

  tick(now) {
    this.frame = requestAnimationFrame((later) => this.tick(later));
    this.advance(Math.min(0.5, (now - this.last) / 1000));
    this.last = now;
  }

  /** Move on by a span of seconds. At the newest iterate of a running method it waits. */
  advance(seconds) {
    if (this.atEnd) {
      this.progress = 0;
      if (this.running) return;
      if (!this.loop) {
        this.pause();
        return;
      }
      this.go(0, "play");
      return;
    }
    this.progress += seconds * this.rate * this.speed;
    const whole = Math.floor(this.progress);
    if (whole === 0) return;
    this.progress -= whole;
    this.go(this.index + whole, "play");
  }

  followNewest(on) {
    this.pause();
    this.follow = on;
    if (on) this.go(this.ks.length - 1);
    else this.changed("playing");
  }
}

function playerOf(id) {
  if (!players.has(id)) players.set(id, new Player(id));
  return players.get(id);
}

class Bar {
  constructor(root) {
    this.root = root;
    root.classList.add("is-panel", "is-transport");
    const button = (icon, label, onclick) => el(
      "button", { type: "button", class: "is-icon", title: label, "aria-label": label, onclick }, iconOf(icon),
    );
    this.playButton = button("play", "Play", () => this.player.toggle());
    this.slider = el("input", {
      type: "range", min: 0, max: 0, step: 1, class: "is-slider", "aria-label": "Iterate",
      oninput: () => this.player.step(Number(this.slider.value) - this.player.index),
    });
    this.label = el("output", { class: "is-k" });
    this.speed = el("select", {
      class: "is-speed", "aria-label": "Playback speed", title: "Iterates per second: 10 × this",
      onchange: () => {
        this.player.speed = Number(this.speed.value);
      },
    }, ...SPEEDS.map((speed) => el("option", { value: speed, text: `${speed}×` })));
    this.speed.value = "1";
    this.loop = button("loop", "Repeat", () => {
      this.player.loop = !this.player.loop;
      this.show();
    });
    this.loop.classList.add("is-loop");
    this.follow = el("button", {
      type: "button", class: "is-button", text: "follow", title: "Stay at the newest iterate",
      onclick: () => this.player.followNewest(!this.player.follow),
    });
    root.append(
      button("first", "First iterate", () => this.player.step(-Infinity)),
      button("back", "One iterate back", () => this.player.step(-1)),
      this.playButton,
      button("forth", "One iterate forth", () => this.player.step(1)),
      button("last", "Last iterate", () => this.player.step(Infinity)),
      this.slider, this.label, this.speed, this.loop, this.follow,
    );
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Iterates: Space plays, arrow keys step, Shift by ten, Home and End");
    root.addEventListener("keydown", (event) => this.key(event));
  }

  update(bytes, setStateValue) {
    themeOf(this.root);
    this.setStateValue = setStateValue;
    const { meta, arrays } = unpack(bytes);
    const player = playerOf(meta.group);
    if (this.player !== player) {
      this.player = player;
      player.changed = (what) => this.playerChanged(what);
      this.speed.value = String(player.speed);
    }
    const ks = arrays.k ?? Int32Array.from({ length: Math.max(1, meta.count) }, (_, k) => k);
    this.reported ??= meta.start;
    player.take({ ...meta, ks });
    this.speed.title = `Iterates per second: ${Math.round(player.rate)} × this`;
  }

  playerChanged(what) {
    this.show();
    if (what === "data" || this.player.playing) return;
    this.reportSoon();
  }

  /** Tell Python where the cursor came to rest; never while it plays. */
  reportSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { player } = this;
      const k = player.ks[player.index];
      if (player.playing || player.follow || k === this.reported || !this.root.isConnected) return;
      this.reported = k;
      this.setStateValue("k", k);
    }, REPORT_AFTER);
  }

  show() {
    const { player } = this;
    const last = player.ks.length - 1;
    this.slider.max = last;
    this.slider.value = player.index;
    this.slider.style.setProperty("--is-done", `${last > 0 ? (100 * player.index) / last : 0}%`);
    const k = player.ks[player.index];
    const text = `k = ${k} / ${player.ks[last]}`;
    if (this.label.textContent !== text) this.label.textContent = text;
    this.label.style.minWidth = `${9 + 2 * String(player.ks[last]).length}ch`;
    this.slider.setAttribute("aria-valuetext", text);
    if (this.iconShown !== player.playing) {
      this.iconShown = player.playing;
      const name = player.playing ? "Pause" : "Play";
      this.playButton.replaceChildren(iconOf(name.toLowerCase()));
      this.playButton.title = name;
      this.playButton.setAttribute("aria-label", name);
    }
    this.loop.setAttribute("aria-pressed", String(player.loop));
    this.follow.setAttribute("aria-pressed", String(player.follow));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === this.speed) return;
    const by = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => this.player.step(-by), ArrowRight: () => this.player.step(by),
      Home: () => this.player.step(-Infinity), End: () => this.player.step(Infinity),
    };
    // Space on a button presses that button
    if (event.key === " " && event.target.tagName !== "BUTTON") actions[" "] = () => this.player.toggle();
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }

  dispose() {
    clearTimeout(this.timer);
    this.player?.pause();
    if (this.player) this.player.changed = () => {};
  }
}

function iconOf(name) {
  const open = name === "loop";
  return svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, svg("path", {
    d: ICONS[name], fill: open ? "none" : "currentColor", stroke: "currentColor",
    "stroke-width": open ? 1.5 : 1.2, "stroke-linejoin": "round", "stroke-linecap": "round",
  }));
}
