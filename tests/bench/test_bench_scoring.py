"""The benchmark of scoring: both run, on the same clips, and answer the same."""

from moe_mamba_asv.bench.scoring import bench_scoring


def test_both_answer_the_same_and_are_measured() -> None:
    runs: list[None] = []
    found = bench_scoring([1, 2], repeats=1, threads=1, on_run=lambda: runs.append(None))
    assert len(runs) == 8
    assert [(row.contender, row.batch) for row in found.rows] == [
        ("ours", 1), ("published", 1), ("ours", 2), ("published", 2)
    ]  # fmt: skip
    assert all(row.clips_per_s > 0 and row.peak_mib > 100 for row in found.rows)
    assert all(row.difference < 1e-4 for row in found.rows)
    best = {name: max(row.clips_per_s for row in found.rows if row.contender == name) for name in ("ours", "published")}
    assert found.ratio == best["ours"] / best["published"]
