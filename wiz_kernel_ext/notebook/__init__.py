"""What the user sees: the magics, what they draw, and which notebook they are in.

The only room that knows IPython. Loading it connects to nothing and starts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["register", "unregister"]


def register(shell: InteractiveShell) -> None:
    """Add the magics, their `%config` defaults and their completion to `shell`.

    What is configured and cannot be taken is left out and said: the rest works.
    """
    from wiz_kernel_ext.notebook.configured import configured, say_wrong
    from wiz_kernel_ext.notebook.magics import WizMagics
    from wiz_kernel_ext.notebook.magics.completion import add_completion
    from wiz_kernel_ext.notebook.question_mark import allow_questions
    from wiz_kernel_ext.notebook.screen import Drawing
    from wiz_kernel_ext.notebook.still_running import still_running
    from wiz_kernel_ext.own_session import speak_in
    from wiz_kernel_ext.remedies import read_in

    unregister(shell)
    read_in("notebook")
    magics, wrong = configured(shell, WizMagics)
    shell.register_magics(magics)
    speak_in(lambda: magics.notebook.session_fields(magics.session or None))
    add_completion(shell)
    allow_questions(shell)
    say_wrong(wrong)
    if lines := still_running(lambda: magics.notebook.identity()):
        magics.screen.show(Drawing(plain="\n".join(lines)))


def unregister(shell: InteractiveShell) -> None:
    """Take them away again, if they are there."""
    from wiz_kernel_ext.notebook.question_mark import disallow_questions
    from wiz_kernel_ext.own_session import speak_in
    from wiz_kernel_ext.remedies import read_in

    read_in("python")
    speak_in(None)
    magics = shell.magics_manager.registry.pop("WizMagics", None)
    if magics is None:
        return
    for kind, names in magics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
    shell.configurables.remove(magics)
    disallow_questions(shell)
    magics.close()
