"""`python -m wiz_kernel_ext.service`: run the service that the `WIZ_*` settings describe."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.configuration.reading import configured_limits
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.out_of_memory import go_second
from wiz_kernel_ext.service.app import Service
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.descriptors import raise_limit


def main() -> int:
    """Run until stopped, signalled or idle; 1 if it could not start."""
    # Nothing is made for everybody to write, also in a cache that is shared with a group; what is
    # private says so where it is written.
    os.umask(os.umask(0o077) | 0o002)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    raise_limit()
    go_second()
    try:
        surroundings.insist(configured_limits().hub_environment())
        asyncio.run(_serve())
    except WizError as error:
        logging.getLogger(__name__).error("%s %s", error, error.hint)
        return 1
    return 0


async def _serve() -> None:
    await Service(Settings.from_environment()).run()


if __name__ == "__main__":
    sys.exit(main())
