import { button, h } from "./dom.js";
import { LibraryList } from "./library.js";
import { Banner, hubLink, noticesOf, PanelView } from "./panel.js";
import { Search } from "./search.js";
import { WorkList } from "./work.js";

// The downloader: what is on the hub, what is under way, what is on this machine. The latter two
// are the panel's state; what was searched for, and what came of its own last action, is the view's.

class DownloaderPage {
  constructor(context) {
    this.view = new PanelView(context, "downloader", (state) => this.draw(state));
    this.banner = new Banner();
    this.own = null;
    this.said = h("div.wiz-unseen", { role: "status" });
    const ways = {
      ask: (action, content) => this.view.ask(action, content),
      do: (action, content) => this.do(action, content),
      act: (text, action, content, label) => button(text, () => this.do(action, content), { label, kind: "wiz-quiet" }),
      say: (text) => (this.said.textContent = text),
      complain: (problem, ...actions) => this.complain(problem, ...actions),
    };
    this.search = new Search(ways);
    this.work = new WorkList(ways);
    this.library = new LibraryList({ ...ways, askDelete: (name) => this.askDelete(name), context: () => (this.search.moved ? this.search.context : null) });
    context.el.append(this.search.head, this.banner.root, this.search.results, this.work.root, this.library.root, this.said);
  }

  begin() {
    this.view.begin((ended) => this.away(ended), (problem) => this.complain(problem));
  }

  /** Ask for an action; what was said of the last one is over then. */
  async do(action, content) {
    const silence = () => this.banner.say(null);
    this.own = silence;
    this.drawBanner();
    const { problem } = await this.view.ask(action, content);
    if (problem) this.complain(problem);
    else if (this.own === silence) this.complain(null);
  }

  draw(state) {
    if (this.isAway !== undefined) this.enable(true);
    this.isAway = undefined;
    this.search.choose(state.contexts);
    this.work.draw(state.work);
    const downloads = state.work.filter((row) => row.kind === "download");
    this.search.place({
      here: new Map((state.models ?? []).map((model) => [model.name, model])),
      work: new Map(downloads.map((row) => [row.title, row.state])),
    });
    const loading = new Set(state.work.filter((row) => row.kind === "load" && row.running).map((row) => row.path));
    if (state.models) {
      this.library.draw(state.models, loading);
      this.view.root.dataset.ready = "true";
    }
    this.drawBanner();
  }

  /** The one thing that has to be said now: of this view's last action, else of the panel's. */
  drawBanner() {
    const { gone, load, note } = this.view.state.now ?? {};
    if (this.isAway) this.banner.say("The kernel behind this panel was restarted or has ended.", "Downloads go on: run this cell again to see them.");
    else if (this.isAway === false) this.banner.say("Waiting for the kernel …");
    else if (this.own) this.own();
    else if (gone) this.banner.say("The service has ended.", "Downloads are paused: start it and resume them.", button("Start it", () => this.do("hello")));
    else if (load?.problem) this.drawProblem(load.problem, [], noticesOf(load));
    else if (load?.state === "done") {
      const next = "%wiz_chat opens a chat with it, %%wiz_prompt asks it from a cell.";
      this.banner.note(`${load.model} is loaded.`, [noticesOf(load), next].filter(Boolean).join(" "), this.ok());
    } else if (note) {
      const { text, load: path } = note;
      const loads = path ? [button("Load it", () => this.do("load", { path, context: null }), { label: `Load ${path.split("/").pop()}`, kind: "wiz-quiet" })] : [];
      this.banner.note(text, "", ...loads, this.ok());
    } else this.banner.say(null);
  }

  ok() {
    return button("OK", () => this.do("heard"), { kind: "wiz-quiet" });
  }

  /** Say what was wrong with this view's last action; null: nothing. */
  complain(problem, ...actions) {
    this.own = problem && (() => this.drawProblem(problem, actions));
    this.drawBanner();
  }

  drawProblem({ message, hint, page }, actions, more = "") {
    this.banner.say(message, [hint, more].filter(Boolean).join(" "), ...actions, ...(page ? [hubLink(page)] : []));
  }

  async askDelete(model) {
    this.complain(null);
    const { result, problem } = await this.view.ask("ask-delete", { model });
    if (problem) {
      this.complain(problem);
      return;
    }
    const { name, path, files, freed, allowed, reason, loaded } = result;
    const no = button("Keep", () => this.complain(null));
    this.own = () => {
      if (!allowed) {
        this.banner.say(`${name} is not deleted from here.`, reason);
        return;
      }
      const yes = button(loaded ? "Unload and delete" : "Delete", () => this.do("delete", { model: name, path: loaded ? path : null }), { kind: "wiz-danger" });
      this.banner.say(`Delete ${name}? ${freed} would be freed.${loaded ? " It is loaded." : ""}`, files.join(", "), yes, no);
    };
    this.drawBanner();
    no.focus();
  }

  away(ended) {
    if (ended && !this.view.root.dataset.ready) {
      this.view.giveWay();
      return;
    }
    this.isAway = ended;
    this.enable(!ended);
    this.drawBanner();
  }

  enable(enabled) {
    for (const part of this.view.root.querySelectorAll("button, input, select")) part.disabled = !enabled;
    // Some of them are disabled for a reason of their own.
    this.library.drawn = "";
  }
}

export default {
  render(context) {
    const page = new DownloaderPage(context);
    page.begin();
    return () => page.view.end();
  },
};
