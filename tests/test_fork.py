"""After a fork the child can go on: the threads of its networks are the parent's alone."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import onnx_files
import pytest
from running import environment, needs_weights, save

from openfaceplus.threads import thread_count

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# What ``work`` gives in the parent it must give in a child, which must then be able to exit, as
# must its own child; four threads, however many cores there are.
FORKS = """
import os, sys
import numpy as np
import openfaceplus
from openfaceplus import embedding

photo, network = sys.argv[1:]
chips = np.random.default_rng(0).integers(0, 256, (5, 150, 150, 3), np.uint8)
{prepare}
def work():
    return np.asarray({work})

before = work()
for _ in range(2):
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    np.testing.assert_allclose(work(), before, rtol=0, atol=1e-5)
sys.exit(7)
"""
FILE = "made = embedding.create('arcface', weights=network, threads=4)"
CASES = {
    "embed": ("", "openfaceplus.embed(photo)"),
    "four threads": ("made = embedding.create('dlib', threads=4)", "made.embed(chips)"),
    "not yet run": ("embedding.create('dlib', threads=4)", "0"),
    "torch": ("made = embedding.create('dlib', engine='torch', threads=4)", "made.embed(chips)"),
    "a file": (FILE, "made.embed(np.ascontiguousarray(chips[:, :112, :112]))"),
    "hog": ("", "[chip.face.box.left for chip in openfaceplus.align(photo)]"),
    "yunet": ("", "[c.face.box.left for c in openfaceplus.align(photo, detector='yunet')]"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_forked_child_works_and_exits(tmp_path, case, request):
    env = {}
    if case == "yunet":
        needs_weights("yunet")
    prepare, work = CASES[case]
    photo, network = save(tmp_path / "photo.png"), tmp_path / "network.onnx"
    if case == "a file":
        onnx_files.embedder(network)
    code = FORKS.format(prepare=prepare, work=work)
    done = subprocess.run(
        [sys.executable, "-c", code, photo, network], env=environment(env), timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr


def test_a_process_of_a_pool_takes_one_thread():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(thread_count, (None,)) == 1
        assert pool.apply(thread_count, (3,)) == 3
