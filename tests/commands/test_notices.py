"""What there is to say beside a result, once."""

from __future__ import annotations

from wiz_kernel_ext.commands.notices import one_each


def test_what_is_said_twice_or_for_one_reason_is_said_once() -> None:
    notices = [
        "This answer cannot be kept: the disk is full",
        "The session cannot be kept: the disk is full",
        "The model has no chat template: each prompt is continued as plain text.",
        "This turn cannot be kept: the disk is full",
        "No colon here.",
        "No colon here.",
    ]
    assert one_each(notices) == [notices[0], notices[2], notices[4]]
    assert one_each([]) == []


def test_what_cannot_be_kept_is_one_matter_however_the_disk_refuses() -> None:
    notices = [
        "This answer cannot be kept: The database /d cannot be used: the disk is full.",
        "The session cannot be kept: The database /d cannot be used: its disk fails.",
        "This turn cannot be kept: The database /d cannot be used: it cannot be written.",
    ]
    assert one_each(notices) == notices[:1]
