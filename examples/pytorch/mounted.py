#!/usr/bin/env python3
# shardfs mount -r train.tar mnt && python3 examples/pytorch/mounted.py mnt
import collections, glob, os, sys

from torch.utils.data import DataLoader, Dataset


class Samples(Dataset):
    """The samples of a mount, in any order: the bytes of a picture, and its class."""

    def __init__(self, mountpoint):
        keys = glob.iglob(os.path.join(glob.escape(mountpoint), "**", "__key__"), recursive=True)
        self.samples = sorted(os.path.dirname(key) for key in keys)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        with open(os.path.join(self.samples[i], "sample.jpg"), "rb") as picture:
            with open(os.path.join(self.samples[i], "sample.cls")) as cls:
                return picture.read(), int(cls.read())


if __name__ == "__main__":
    loader = DataLoader(Samples(sys.argv[1]), batch_size=4, shuffle=True, num_workers=2, collate_fn=list)
    counts = collections.Counter(cls for batch in loader for picture, cls in batch)
    print(*(f"class {cls}: {n} samples" for cls, n in sorted(counts.items())), sep="\n")
