"""One page of a browser on a Jupyter server: cells run, panels asked, pictures kept."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.browser.lab import Lab

OPEN = """async ([path, kernel]) => {
    const kernelPreference = kernel ? undefined : {shouldStart: false, canStart: false};
    await jupyterapp.commands.execute(
        'docmanager:open', {path, factory: 'Notebook', kernelPreference}
    );
    await jupyterapp.shell.currentWidget.context.ready;
}"""
CLOSE_ALL = """async () => {
    for (const widget of [...jupyterapp.shell.widgets('main')]) {
        await widget.context?.save().catch(() => null);
        widget.dispose();
    }
    await jupyterapp.serviceManager.sessions.shutdownAll();
}"""
# What stands in a panel: its elements, their texts, and what is hidden, disabled or chosen. What is
# read out to who cannot see is what has just happened.
DRAWN = """panel => {
    const draw = node => {
        if (node.nodeType === 3) return node.data;
        if (node.matches('.wiz-unseen[role=status]')) return '';
        const said = ['hidden', 'disabled', 'checked', 'value', 'open']
            .filter(name => node[name]).map(name => `${name}=${node[name]}`);
        const children = [...node.childNodes].map(draw).join('');
        return `<${node.tagName.toLowerCase()}.${node.className} ${said}>${children}\\n`;
    };
    return draw(panel).replaceAll(/data-lm-\\S+/g, '');
}"""
COUNT_LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver(list => list.getEntries().forEach(task => longTasks.push(task.duration)))
    .observe({entryTypes: ['longtask']});
"""
# ipywidgets' own extension, in a notebook that was closed or has no kernel; Notebook 7's own core.
OTHERS_FAULTS = re.compile(r"@jupyter-widgets/jupyterlab-manager|notebook_core\.\w+\.js")
# Known noise of the server and the browser that is nobody's fault here.
NOISE = re.compile(
    r"favicon|server responded with a status of 40[34]|ResizeObserver|downloadable font"
)


@dataclass
class Page:
    """One browser page on the lab; `raw` is Playwright's."""

    raw: Any
    lab: Lab
    shots: Path
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.raw.set_default_timeout(20_000)
        if self.raw.url == "about:blank":
            self.raw.add_init_script(COUNT_LONG_TASKS)
        self.raw.on("console", self._console)
        self.raw.on("pageerror", self._failed)

    def _failed(self, error: Any) -> None:
        if OTHERS_FAULTS.search(error.stack or ""):
            return
        self.errors.append(f"page error: {error} {error.stack}")

    def _console(self, message: Any) -> None:
        if message.type == "error" and not NOISE.search(message.text):
            self.errors.append(message.text)

    def open(self, notebook: str) -> None:
        """Open a notebook and wait until its kernel can be asked."""
        if self.lab.app == "notebook":
            self.raw.goto(f"{self.lab.url}notebooks/{notebook}")
        elif self.raw.url == "about:blank":
            self.raw.goto(f"{self.lab.url}doc/tree/{notebook}?reset")
        else:
            self.raw.evaluate(OPEN, [notebook, True])
        self.raw.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
        self.reconnect()

    def run(self, number: int) -> None:
        """Run cell `number` (from 0) and wait until it is done."""
        self._run(number, wait=True)

    def start(self, number: int) -> None:
        """Run cell `number` and return at once."""
        self._run(number, wait=False)

    def _run(self, number: int, *, wait: bool) -> None:
        self.raw.evaluate(
            """async ([number, wait]) => {
                const notebook = jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = number;
                notebook.deselectAll();
                const done = jupyterapp.commands.execute('notebook:run-cell');
                if (wait) await done;
            }""",
            [number, wait],
        )

    def computing(self, number: int) -> bool:
        """Whether cell `number` is being computed."""
        return "*" in self.cell(number).locator(".jp-InputPrompt").inner_text()

    def cell(self, number: int) -> Any:
        """Cell `number`."""
        return self.raw.locator(".jp-Notebook .jp-Cell").nth(number)

    @property
    def panel(self) -> Any:
        """The panel, where there is one only."""
        return self.raw.locator(".wiz-panel")

    def ready(self) -> None:
        """Wait until the panel shows what the service has."""
        self.raw.locator(".wiz-panel[data-ready]").first.wait_for()

    def drawn(self, number: int = 0) -> str:
        """All that stands in the panel's view of this number, as one text."""
        return str(self.panel.nth(number).evaluate(DRAWN))

    def say(self, text: str) -> None:
        """Write a message in the chat and send it, by keys."""
        n_before = self.panel.locator(".wiz-assistant").count()
        self.panel.get_by_label("Message").fill(text)
        self.panel.get_by_label("Message").press("Enter")
        self.panel.locator(".wiz-assistant").nth(n_before).wait_for()

    def answered(self, timeout_ms: int = 60_000) -> str:
        """Wait for the end of the answer; returns the last answer's text."""
        self.raw.locator(".wiz-assistant[aria-busy]").wait_for(state="detached", timeout=timeout_ms)
        return str(self.panel.locator(".wiz-assistant .wiz-markdown").last.inner_text())

    def restart_kernel(self) -> None:
        """Kernel → Restart Kernel…, from the menu."""
        self.raw.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.raw.get_by_role("menuitem", name=re.compile("^Restart Kernel…")).click()
        self.raw.locator(".jp-Dialog button.jp-mod-accept").click()

    def reconnect(self) -> None:
        """Wait for the restarted kernel."""
        self.raw.evaluate(
            """async () => {
                const context = jupyterapp.shell.currentWidget.sessionContext;
                await context.ready;
                await context.session.kernel.info;
            }"""
        )

    def reopen(self, notebook: str, *, with_kernel: bool) -> None:
        """Close everything, end every kernel, and open a notebook again."""
        self.raw.evaluate(CLOSE_ALL)
        self.raw.evaluate(OPEN, [notebook, with_kernel])
        if with_kernel:
            self.reconnect()
        self.raw.locator(".jp-Notebook .jp-OutputArea-output").last.wait_for(state="attached")

    def tasks(self) -> list[float]:
        """How long the page's main thread was blocked, in ms, since this was last asked."""
        return [float(t) for t in self.raw.evaluate("window.longTasks.splice(0)")]

    def faults(self, axe: Path) -> list[str]:
        """What the accessibility checker finds serious in the panels, in light and in dark."""
        self.raw.add_script_tag(path=axe)
        found = []
        for theme in ("light", "dark"):
            with self.themed(theme):
                found += [
                    f"{theme}: {fault['id']}: {fault['nodes'][0]['html']}"
                    for fault in self.raw.evaluate("axe.run('.wiz-panel')")["violations"]
                    if fault["impact"] in ("serious", "critical")
                ]
        return found

    def overflows(self) -> list[str]:
        """What sticks out of a panel at its right; what scrolls inside it does not."""
        found: list[str] = self.raw.evaluate(
            """() => [...document.querySelectorAll('.wiz-panel')].flatMap(panel => {
                const edge = panel.getBoundingClientRect().right + 1;
                return [...panel.querySelectorAll('*')]
                    .filter(one => one.getBoundingClientRect().right > edge)
                    .filter(one => !one.closest('pre, .wiz-unseen, .wiz-log, .wiz-markdown'))
                    .map(one => one.outerHTML.slice(0, 120));
            })"""
        )
        return found

    def figure(self, text: str) -> None:
        """Keep a measured figure among the artifacts."""
        print(text)
        with (self.shots.parent / "figures.txt").open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M')} {self.lab.app}: {text}\n")

    def save(self) -> None:
        """Save the notebook."""
        self.raw.keyboard.press("Control+s")
        self.raw.wait_for_timeout(800)

    def shoot(self, name: str, panel: Any = None) -> None:
        """Keep pictures of the (first) panel, in light and dark."""
        self.shots.mkdir(parents=True, exist_ok=True)
        for theme in ("light", "dark"):
            with self.themed(theme):
                (panel or self.panel.first).screenshot(path=self.shots / f"{name}-{theme}.png")

    @contextlib.contextmanager
    def themed(self, theme: str) -> Iterator[None]:
        """JupyterLab in its `theme`, and back in light afterwards."""
        if theme == "dark":
            self.set_theme("JupyterLab Dark")
        try:
            yield
        finally:
            if theme == "dark":
                self.set_theme("JupyterLab Light")

    def set_theme(self, name: str) -> None:
        """Change JupyterLab's theme."""
        self.raw.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", name
        )
        self.raw.wait_for_function(
            "light => document.body.dataset.jpThemeLight === String(light)",
            arg=name.endswith("Light"),
        )
        self.raw.wait_for_timeout(300)

    def end(self) -> list[str]:
        """Close every notebook and its kernel, for the next test; returns the page's errors."""
        self.raw.remove_listener("console", self._console)
        self.raw.remove_listener("pageerror", self._failed)
        self.raw.evaluate(CLOSE_ALL)
        return self.errors
