"""What the long runs are watched by: memory and handles as they are, on a page beside others."""

import mmap
import os

from benchmarks.endurance import page, sample
from benchmarks.record import put_section


def test_memory_and_handles_of_a_process_and_its_child(tmp_path):
    memory, handles = sample()
    held = mmap.mmap(-1, 50_000 * 1000)  # new pages, which an array may not take
    held[::1000] = bytes(50_000)
    files = [open(tmp_path / str(i), "w") for i in range(5)]
    more, opened = sample()
    assert 45 < more - memory < 60 and opened - handles == 5
    ready, go = os.pipe(), os.pipe()
    if (pid := os.fork()) == 0:
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    both, child = sample()[1], len(os.listdir(f"/proc/{pid}/fd"))
    os.write(go[1], b"x")
    os.waitpid(pid, 0)
    for handle in (*ready, *go):
        os.close(handle)
    for file in files:
        file.close()
    held.close()
    assert child > 4 and both == opened + 4 + child


def test_sections_of_a_page_leave_others_alone(tmp_path):
    path = tmp_path / "page.md"
    row = {"unit": "100 iterations", "length": 20, "slope": 0.1234, "memory": [1, 2, 3.4],
           "handles": [8.0, 8.0]}
    put_section(path, "", "# Reliability\n\nKills.")
    for text in ("old", page([{"case": "mmseg training", "machine": "M", "rows": {"run": row}}])):
        put_section(path, "Long runs", text)
        put_section(path, "Inputs", "Bad ones.")
    put_section(path, "", "# Reliability\n\nMore kills.")
    text = path.read_text()
    assert text.startswith("# Reliability\n\nMore kills.\n\n## Long runs\n\nLong runs in one")
    assert text.endswith("Machine: M.\n\n## Inputs\n\nBad ones.\n") and "old" not in text
    assert "| mmseg training | 2,010 iterations | 1, 2, 3 | +0.12 per 100 iterations | 8 and 8 |" \
        in text
