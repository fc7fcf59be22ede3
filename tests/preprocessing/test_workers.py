"""Worker processes: none outlives the process that it works for."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.processes import gone

WORK = """
import os, sys
from torch.utils.data import DataLoader
from preprocessing.workers import settle, worker_context

class Pids:
    def __len__(self):
        return 10_000_000
    def __getitem__(self, index):
        return os.getpid()

if __name__ == "__main__":
    loader = DataLoader(Pids(), num_workers=2, multiprocessing_context=worker_context(), worker_init_fn=settle)
    batches = iter(loader)
    print(*sorted({int(next(batches)) for _ in range(2)}), flush=True)
    for batch in batches:
        pass
"""


def test_loading_processes_end_with_the_one_that_is_killed(tmp_path: Path):
    script = tmp_path / "work.py"
    script.write_text(WORK)
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, cwd=tmp_path, env={"PYTHONPATH": str(root)}
    )
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert gone(pids)
