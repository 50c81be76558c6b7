// The state of a panel, as the kernel has it. Each change comes with a revision and says what
// differs from the revision before; who has another one asks for the whole.

const ASK_AGAIN_MS = 2000;

/** `state` after a change: `parts` take the place of what there was, `grown` goes to its end. */
export function applied(state, { state: parts = {}, grown = {} }) {
  const next = { ...state, ...parts };
  for (const [name, tail] of Object.entries(grown)) next[name] = Array.isArray(tail) ? [...state[name], ...tail] : state[name] + tail;
  return next;
}

export class SharedState {
  /** `draw(state)` draws the whole of it; `askWhole()` asks the kernel for it. */
  constructor({ draw, askWhole, clock = () => performance.now() }) {
    Object.assign(this, { draw, askWhole, clock });
    this.now = null;
    this.revision = 0;
    // A page begins by asking for the whole.
    this.askedMs = clock();
  }

  take(message) {
    const { revision, since } = message;
    if (since === 0) this.now = message.state;
    else if (revision <= this.revision) return;
    else if (since === this.revision) this.now = applied(this.now, message);
    else {
      this.ask();
      return;
    }
    this.revision = revision;
    this.askedMs = null;
    this.draw(this.now);
  }

  /** Ask for the whole; again only if no answer came. */
  ask() {
    const now = this.clock();
    if (this.askedMs !== null && now - this.askedMs < ASK_AGAIN_MS) return;
    this.askedMs = now;
    this.askWhole();
  }
}
