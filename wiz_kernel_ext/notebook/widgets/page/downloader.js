import { button, h } from "./dom.js";
import { LibraryList } from "./library.js";
import { Banner, PanelView } from "./panel.js";
import { Search } from "./search.js";
import { WorkList } from "./work.js";

// The downloader: what is on the hub, what is under way, what is on this machine.

class DownloaderPage {
  constructor(context) {
    this.view = new PanelView(context, "downloader", (message) => this.hear(message));
    this.banner = new Banner();
    this.said = h("div.wiz-unseen", { role: "status" });
    const ways = {
      ask: (action, content) => this.ask(action, content),
      act: (text, action, content, label) => button(text, () => this.ask(action, content), { label, kind: "wiz-quiet" }),
      say: (text) => (this.said.textContent = text),
    };
    this.search = new Search(ways);
    this.work = new WorkList(ways);
    this.library = new LibraryList({ ...ways, context: () => (this.search.moved ? this.search.context : null) });
    context.el.append(this.search.head, this.banner.root, this.search.results, this.work.root, this.library.root, this.said);
  }

  begin() {
    this.view.begin((ended) => this.away(ended));
  }

  /** Ask for an action; what was said of the last one is over then. */
  ask(action, content) {
    if (action !== "search" && action !== "repo") this.banner.say(null);
    this.view.ask(action, content);
  }

  hear(message) {
    const heard = {
      begin: this.ready, found: this.found, repo: this.repo, work: this.drawWork, library: this.drawLibrary,
      loading: this.loading, deletion: this.askDelete, note: this.note, error: this.error, gone: this.gone,
    }[message.kind];
    heard?.call(this, message);
  }

  found(message) {
    if (message.cards) this.banner.say(null);
    this.search.found(message);
  }

  repo(message) {
    this.search.repo(message);
  }

  drawWork({ rows }) {
    this.isBack();
    this.work.draw(rows);
    const downloads = rows.filter((row) => row.kind === "download");
    this.search.place({ work: new Map(downloads.map((row) => [row.title, row.state])) });
    this.library.setLoading(new Set(rows.filter((row) => row.kind === "load" && row.running).map((row) => row.path)));
  }

  drawLibrary({ models }) {
    this.isBack();
    this.library.draw(models);
    this.search.place({ here: new Map(models.map((model) => [model.name, model])) });
    this.view.root.dataset.ready = "true";
  }

  askDelete({ deletion: { name, path, files, freed, allowed, reason, loaded } }) {
    if (!allowed) {
      this.banner.say(`${name} is not deleted from here.`, reason);
      return;
    }
    const yes = button(loaded ? "Unload and delete" : "Delete", () => this.ask("delete", { model: name, path: loaded ? path : null }), { kind: "wiz-danger" });
    const no = button("Keep", () => this.banner.say(null));
    this.banner.say(`Delete ${name}? ${freed} would be freed.${loaded ? " It is loaded." : ""}`, files.join(", "), yes, no);
    no.focus();
  }

  /** How far a load is, its row tells; here, how it ended. */
  loading({ loading, name }) {
    if (!loading) this.note({ text: `${name ?? "The model"} is loaded.`, hint: "%wiz_chat opens a chat with it, %%wiz_prompt asks it from a cell." });
    else if (loading.error) {
      this.library.draw(this.library.models);
      this.error(loading);
    }
  }

  note({ text, hint, load }) {
    const actions = load ? [button("Load it", () => this.ask("load", { path: load, context: null }), { label: `Load ${load.split("/").pop()}`, kind: "wiz-quiet" })] : [];
    this.banner.note(text, hint, ...actions, button("OK", () => this.banner.say(null), { kind: "wiz-quiet" }));
  }

  error({ message, hint, n, page }) {
    if (n !== undefined && n !== this.search.n) return;
    const again = n === undefined ? [] : [button("Try again", () => this.search.begin())];
    const link = page ? [h("a", { href: page, target: "_blank", rel: "noopener noreferrer" }, "Its page on the hub")] : [];
    this.banner.say(message, hint, ...again, ...link);
  }

  ready() {
    this.banner.say(null);
    this.enable(true);
  }

  gone() {
    this.isGone = true;
    this.work.draw([]);
    this.search.place({ work: new Map() });
    this.banner.say("The service has ended.", "Downloads are paused: start it and resume them.", button("Start it", () => this.ask("hello")));
  }

  /** A service answers again, whoever started it. */
  isBack() {
    if (this.isGone) this.banner.say(null);
    this.isGone = false;
  }

  away(ended) {
    if (ended && !this.view.root.dataset.ready) {
      this.view.giveWay();
      return;
    }
    this.enable(!ended);
    if (ended) this.banner.say("The kernel behind this panel was restarted or has ended.", "Downloads go on: run this cell again to see them.");
    else this.banner.say("Waiting for the kernel …");
  }

  enable(enabled) {
    for (const part of this.view.root.querySelectorAll("button, input, select")) part.disabled = !enabled;
  }
}

export default {
  render(context) {
    const page = new DownloaderPage(context);
    page.begin();
    return () => page.view.end();
  },
};
