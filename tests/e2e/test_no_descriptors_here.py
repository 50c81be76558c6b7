"""A notebook's kernel that has no open files left: an error, not the end of the kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.homes import Home

# In a process of its own: ZeroMQ may end it.
ASKER = """
import os, resource
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import WizError
client = Client()
if {is_running}:
    client.status()
resource.setrlimit(resource.RLIMIT_NOFILE, (300, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for _ in range({n_left}):
    os.close(taken.pop())
other = Client()
try:
    other.status()
    print("answered")
except WizError as error:
    print(type(error).__name__)
for handle in taken:
    os.close(handle)
print(other.status().service.pid > 0)
"""


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("n_left", [0, 1, 3, 4, 8, 16, 40])
def test_the_asker_lives_and_is_told(home: Home, n_left: int, is_running: bool) -> None:
    code = ASKER.format(n_left=n_left, is_running=is_running)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ServiceFull", "True"]
    assert done.stderr == ""
