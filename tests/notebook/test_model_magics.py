"""The magics about models in a real IPython shell with a scripted client: asked and said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.conftest import Cells
from tests.support.fake_client import FakeClient, FakeOperation
from tests.support.fake_screen import FakeScreen
from wiz_kernel_ext.errors import (
    AmbiguousModel,
    BadRequest,
    ChecksumMismatch,
    Conflict,
    HubNotFound,
    HubUnreachable,
    ModelFileNotFound,
    NotEnoughMemory,
)
from wiz_kernel_ext.notebook.views.job import WorkView
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.protocol.hub import Deletion, Inspection, RepoListing, Verification
from wiz_kernel_ext.protocol.hub_requests import (
    ConvertModel,
    PullModel,
    QuantizeModel,
    VerifyModel,
)
from wiz_kernel_ext.protocol.load_plan import DevicePart, LoadPlan
from wiz_kernel_ext.protocol.requests import AnyRequest, Load, PlanLoad
from wiz_kernel_ext.protocol.results import OperationInfo

CHECKPOINT = RepoListing(
    repo="u/r", revision="main", commit="c", models=[], safetensors_bytes=1 << 30, has_config=True
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The kernel's working directory."""
    here = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(here)


def answering(cells: Cells, monkeypatch: pytest.MonkeyPatch, answer: str) -> list[str]:
    """Let the user answer every question with `answer`; the questions."""
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr("builtins.input", ask)
    return questions


READY = FakeClient().loaded(Load(model="m", session="s"))


def loaded(cells: Cells) -> list[str | None]:
    """What was loaded."""
    return [request.model for request in cells.client.asked if isinstance(request, Load)]


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("%wiz_pull u/r:Q8_0", PullModel(model="u/r:Q8_0")),
        ("%wiz_pull u/r --limit-rate 5MB", PullModel(model="u/r", limit_bytes_per_s=5e6)),
        ("%wiz_pull u/r --update", PullModel(model="u/r", update=True)),
        ("%wiz_convert u/r --type q8_0", ConvertModel(source="u/r", out_type="q8_0")),
        (
            "%wiz_convert u/r --output x.gguf --overwrite",
            ConvertModel(source="u/r", output="x.gguf", overwrite=True),
        ),
        ("%wiz_quantize u/r q4_k_m", QuantizeModel(model="u/r", quant="q4_k_m")),
    ],
)
def test_what_takes_time_is_asked_for_as_it_was_written(
    cells: Cells, line: str, request_: AnyRequest
) -> None:
    cells.client.work = [FakeOperation([], "/c/r.gguf")]
    cells.must(line)
    assert cells.client.asked == [request_]
    assert cells.drawn[0].endswith(": /c/r.gguf")


def test_paths_are_those_of_the_kernels_folder(cells: Cells, folder: Path) -> None:
    (folder / "ckpt").mkdir()
    (folder / "blob").touch()
    (folder / "a.gguf").symlink_to("blob")
    cells.client.work = [FakeOperation([], "/x.gguf") for _ in range(2)]
    cells.must("%wiz_convert ckpt --output out/x.gguf --llama-cpp llama.cpp")
    cells.must("%wiz_quantize a.gguf q8_0 --output plain.gguf")
    assert cells.client.asked == [
        ConvertModel(
            source=str(folder / "ckpt"),
            output=str(folder / "out" / "x.gguf"),
            llama_cpp=str(folder / "llama.cpp"),
        ),
        # A link keeps its name: in a hub's cache the parts of a model are found by theirs.
        QuantizeModel(model=str(folder / "a.gguf"), quant="q8_0", output="plain.gguf"),
    ]


def test_a_damaged_model_fails_the_cell_and_a_sound_one_is_said_to_be(cells: Cells) -> None:
    cells.client.work = [
        FakeOperation([], Verification(name="u/r", checked=2)),
        FakeOperation([], Verification(name="u/r", checked=1, bad=["/c/r.gguf"])),
    ]
    cells.must("%wiz_verify u/r")
    assert cells.drawn == ["u/r: 2 files as the hub promised."]
    error = cells.run("%wiz_verify u/r")
    assert isinstance(error, ChecksumMismatch)
    assert "/c/r.gguf" in error.message
    assert "%wiz_rm u/r" in error.hint
    assert cells.client.asked[0] == VerifyModel(model="u/r")


@pytest.mark.parametrize(
    ("answer", "removed"), [("y", ["u/r"]), ("Yes", ["u/r"]), ("", []), ("no", [])]
)
def test_rm_asks_and_shows_what_it_would_free(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, answer: str, removed: list[str]
) -> None:
    questions = answering(cells, monkeypatch, answer)
    cells.must("%wiz_rm u/r")
    assert questions == ["Delete u/r:Q8_0? [y/N] "]
    assert "frees 3.0 MB" in cells.drawn[0]
    assert "/c/r.gguf" in cells.drawn[0]
    assert cells.client.removed == removed


def test_rm_is_told_yes_where_nobody_can_be_asked(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    error = cells.run("%wiz_rm u/r")
    assert isinstance(error, BadRequest)
    assert error.hint == "To delete it: %wiz_rm u/r --yes"
    assert cells.client.removed == []
    cells.must("%wiz_rm u/r --yes")
    assert cells.client.removed == ["u/r"]


def test_what_belongs_to_another_tool_is_not_deleted(cells: Cells) -> None:
    cells.client.deletion = Deletion(
        name="ollama:x", files=["/o"], allowed=False, reason="It belongs to Ollama."
    )
    error = cells.run("%wiz_rm ollama:x --yes")
    assert isinstance(error, BadRequest)
    assert "Ollama" in error.message
    assert cells.client.removed == []


def test_load_is_one_request_that_may_fetch(cells: Cells) -> None:
    steps: list[Any] = [[Progress(stage="download", done=1, total=2)]]
    cells.client.load = FakeOperation(steps, READY)
    cells.must("%wiz_load hf.co/u/r --ctx 512 --adapter style.gguf=0.5 --adapter other.gguf")
    (request,) = cells.client.asked
    assert isinstance(request, Load)
    assert (request.model, request.context_size, request.fetch) == ("hf.co/u/r", 512, True)
    assert request.adapters == ["style.gguf=0.5", "other.gguf"]


def test_what_should_be_known_of_a_load_is_drawn_with_it(cells: Cells) -> None:
    notice = Notice(text="big may not run here: it needs 40.0 GB of memory, and 8.0 GB are free.")
    cells.client.load = FakeOperation([[notice]], READY)
    cells.must("%wiz_load big")
    assert "big may not run here: it needs 40.0 GB" in cells.drawn[0]
    assert loaded(cells) == ["big"]


@pytest.mark.parametrize(("answer", "n_asked"), [("y", 2), ("n", 1), (None, 1)])
def test_what_needs_more_memory_than_is_free_is_asked_about(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, answer: str | None, n_asked: int
) -> None:
    class Refused(FakeOperation):
        def result(self, timeout_s: float | None = None) -> Any:
            request = cells.client.asked[-1]
            if isinstance(request, Load) and request.anyway:
                return READY
            raise NotEnoughMemory("big is not loaded: it takes 40.0 GB of memory.", hint="h")

    questions: list[str] = []

    def confirm(question: str) -> bool | None:
        questions.append(question)
        return None if answer is None else answer == "y"

    cells.client.load = Refused([], READY)
    monkeypatch.setattr(cells.magics.notebook, "confirm", confirm)
    error = cells.run("%wiz_load big --ctx 512")
    assert len(cells.client.asked) == n_asked
    assert questions[0].startswith("big is not loaded: it takes 40.0 GB of memory. Load it")
    assert isinstance(error, NotEnoughMemory) == (answer != "y")
    if answer == "y":
        request = cells.client.asked[-1]
        assert isinstance(request, Load)
        assert request.context_size == 512
    cells.run("%wiz_load big --anyway")
    assert len(questions) == 1


def test_an_unreachable_hub_and_an_unknown_repository_are_told_as_they_are(cells: Cells) -> None:
    cells.client.listing = RepoListing(repo="u/r", revision="main", commit="c", models=[])
    for error in (
        HubUnreachable("The hub does not answer."),
        HubNotFound("There is no GGUF model in u/r.", repo="u/r", file=None),
        HubNotFound("There is no u/r.", repo="u/r", file="x.gguf"),
    ):
        cells.client.load = FakeOperation([], error)
        assert error.message in str(cells.run("%wiz_load u/r"))
        assert cells.drawn[-1] == "u/r: not loaded"


def test_a_checkpoint_alone_is_offered_with_size_and_time(cells: Cells) -> None:
    cells.client.listing = CHECKPOINT
    cells.client.load = FakeOperation([], HubNotFound("There is no GGUF model in u/r.", repo="u/r"))
    error = cells.run("%wiz_load u/r")
    assert isinstance(error, HubNotFound)
    assert "a safetensors checkpoint (1.0 GB)" in error.message
    assert error.hint.startswith("%wiz_load u/r --convert does that: 1.0 GB to download, then")


def test_a_folder_with_a_checkpoint_is_offered_to_be_converted(cells: Cells, folder: Path) -> None:
    (folder / "ckpt").mkdir()
    (folder / "ckpt" / "config.json").touch()
    error = cells.run("%wiz_load ckpt")
    assert isinstance(error, ModelFileNotFound)
    assert error.hint == "%wiz_load ckpt --convert makes one of it."
    cells.client.work = [FakeOperation([], Conflict("exists", target="/m/ckpt-BF16.gguf"))]
    error = cells.run("%wiz_load ckpt --convert")
    assert isinstance(error, Conflict)
    assert "%wiz_load /m/ckpt-BF16.gguf" in error.hint


def test_load_converts_when_told_and_takes_what_it_made_before(cells: Cells) -> None:
    made = "/m/r-BF16.gguf"
    page = {"general.source.repo_url": "https://huggingface.co/u/r"}
    exists = Conflict("exists already", target=made)
    cells.client.work = [
        FakeOperation([], made),
        FakeOperation([], exists),
        FakeOperation([], exists),
    ]
    cells.must("%wiz_load u/r --convert")
    assert cells.client.asked[0] == ConvertModel(source="u/r", out_type="bf16")
    cells.client.inspections = [Inspection(name="r", path=made, metadata=page)]
    cells.must("%wiz_load u/r --convert bf16")
    assert loaded(cells) == [made, made]
    # Somebody else's model of that name is not taken for it.
    cells.client.inspections = [Inspection(name="r", path=made, metadata=page)]
    assert isinstance(cells.run("%wiz_load other/r --convert"), Conflict)
    assert isinstance(cells.run("%wiz_load u/r --convert q3"), BadRequest)


def test_without_a_name_the_default_is_asked_for(cells: Cells) -> None:
    cells.must("%wiz_load")
    assert loaded(cells) == [None]


def test_the_choices_of_a_name_are_drawn(cells: Cells) -> None:
    choices = [
        {"name": f"u/r/{name}.gguf", "quant": "", "sizeBytes": 2 << 30, "fit": "tight"}
        for name in "ab"
    ]
    error = AmbiguousModel("u/r could be any of 2 models.", hint="long", choices=choices)
    cells.client.load = FakeOperation([], error)
    raised = cells.run("%wiz_load u/r")
    assert isinstance(raised, AmbiguousModel)
    assert raised.hint == "Name one of them, like u/r/a.gguf."
    assert raised.details["choices"] == choices
    assert "u/r/b.gguf  -      2.0 GB  tight" in cells.drawn[-1]


def test_an_interrupt_cancels_the_work(cells: Cells) -> None:
    steps: list[Any] = [[Progress(stage="download", done=1, total=2)]]
    operation = FakeOperation(steps, None, interrupt_after=0, after_cancel=None)
    cells.client.work = [operation]
    error = cells.run("%wiz_pull u/r")
    assert isinstance(error, KeyboardInterrupt)
    assert operation.is_cancelled
    assert cells.drawn == ["u/r: cancelled"]


def test_attach_finds_the_work_that_runs_before_what_has_ended(cells: Cells) -> None:
    cells.client.known = [
        OperationInfo(id="op9", kind="prompt", state="done"),
        OperationInfo(id="op8", kind="download", state="running", title="u/r:Q8_0"),
    ]
    steps: list[Any] = [[Progress(stage="download", done=1, total=2)]]
    cells.client.prompts = [FakeOperation(steps, "/c/r.gguf", id="op8")]
    cells.must("%wiz_attach")
    assert cells.drawn == ["u/r:Q8_0: /c/r.gguf"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("%wiz_pull", "required: MODEL"),
        ("%wiz_pull u/r --limit-rate fast", "--limit-rate takes bytes per second"),
        ("%wiz_search x --ctx few", "--ctx takes a whole number"),
        ("%wiz_convert u/r --type q4_0", "--type takes"),
        ("%wiz_alias small", "What shall small stand for?"),
        ("%wiz_alias 'a b' demo", "cannot be called 'a b'"),
        ("%wiz_collections add team", "'add team' is nothing to do"),
        ("%wiz_models --chek", "Unknown option --chek."),
    ],
)
def test_a_wrong_line_is_told_by_what_is_wrong_in_it(cells: Cells, line: str, what: str) -> None:
    error = cells.run(line)
    assert isinstance(error, BadRequest)
    assert what in error.message
    assert error.hint
    assert cells.client.asked == []


def test_work_is_a_bar_with_speed_and_time_left_and_then_a_line_with_its_notices() -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    screen, clock = FakeScreen(), Clock()
    view = WorkView(screen, "<u/r>", "op1", clock)
    view.begin()
    for done in (0, 100):
        view.take([Progress(stage="download", done=done, total=400)])
        clock.now += 1.0
    slot = screen.slots[0]
    assert slot.last.plain == (
        "<u/r>: downloading 25% · 100 B of 400 B · 100 B/s · 3.0 s left "
        "· if this stands still: %wiz_attach op1"
    )
    assert slot.last.html is not None
    assert slot.last.html.startswith('&lt;u/r&gt; <progress value="0.250"></progress>')
    view.take([Notice(text="slow disk"), Progress(stage="convert", done=1)])
    assert "converting 1 B · slow disk" in slot.last.plain
    view.end("/c/r.gguf")
    assert slot.last.plain == "<u/r>: /c/r.gguf\nslow disk"


def test_a_dry_run_asks_for_a_plan_with_what_is_configured_and_draws_it(cells: Cells) -> None:
    cells.client.plan = LoadPlan(name="demo", path="/demo.gguf", verdict="fits", cells=10)
    cells.must("%config WizMagics.context_size = 2048")
    cells.must("%wiz_load demo --seqs 2 --keep-alive 2h --dry-run")
    assert cells.client.asked == [PlanLoad(model="demo", context_size=2048, sequences=2)]
    assert "Nothing is loaded" in cells.drawn[-1]


def test_a_dry_run_with_a_draft_asks_for_it_by_its_path_and_draws_it(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draft = str(tmp_path / "d.gguf")
    Path(draft).touch()
    part = DevicePart(device="CPU", n_layers=3)
    cells.client.plan = LoadPlan(
        name="demo",
        path="/demo.gguf",
        verdict="fits",
        parts=[part],
        draft=draft,
        draft_parts=[part],
    )
    cells.must("%wiz_load demo --draft d.gguf --dry-run")
    assert cells.client.asked == [PlanLoad(model="demo", draft=draft)]
    assert "CPU: draft d.gguf" in cells.drawn[-1]
