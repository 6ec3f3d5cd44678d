"""Processes of one run: they end together, or none waits for one that is gone."""

from collections.abc import Iterator
from contextlib import contextmanager

import lightning
import torch


@contextmanager
def parting(fabric: lightning.Fabric) -> Iterator[None]:
    """Leave the group of processes when all is done, or when this one has failed.

    A process that ended while another still talked to it would be aborted by threads of the group. So all wait for each
    other first; one that has failed waits for nobody, and the others find their connection to it closed: an error
    there too.

    Args:
        fabric: launched.
    """
    try:
        yield
        fabric.barrier()
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
