#!/usr/bin/env python3
# python3 examples/pytorch/streamed.py train-0000.tar train-0001.tar    (nothing is mounted, and URLs do, too)
import collections, itertools, subprocess, sys

from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Samples(IterableDataset):
    """The samples of shards in their order: the bytes of a picture, and its class. Each worker has shards of its own."""

    def __init__(self, shards):
        self.shards = shards

    def __iter__(self):
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for shard in self.shards[first::step]:
            for key, members in itertools.groupby(members_of(shard), lambda member: member[0]):
                sample = {extension: content for _, extension, content in members}
                yield sample["jpg"], int(sample["cls"])


def members_of(shard):
    """The members of a shard. `shardfs cat --null` prints of each NAME, a NUL, SIZE, a NUL, and SIZE bytes."""
    with subprocess.Popen(["shardfs", "cat", "--null", shard, "--", "*"], stdout=subprocess.PIPE) as cat:
        while name := until_nul(cat.stdout).decode(errors="surrogateescape"):
            folder, slash, base = name.rpartition("/")
            key, _, extension = base.partition(".")
            yield folder + slash + key, extension, cat.stdout.read(int(until_nul(cat.stdout)))
    if cat.returncode:
        raise RuntimeError(f"{shard}: shardfs cat ended with exit status {cat.returncode}")


def until_nul(stream):
    return b"".join(iter(lambda: stream.read(1).strip(b"\0"), b""))


if __name__ == "__main__":
    loader = DataLoader(Samples(sys.argv[1:]), batch_size=4, num_workers=2, collate_fn=list)
    counts = collections.Counter(cls for batch in loader for picture, cls in batch)
    print(*(f"class {cls}: {n} samples" for cls, n in sorted(counts.items())), sep="\n")
