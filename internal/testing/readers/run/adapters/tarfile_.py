"""Python's tarfile, read as a stream as WebDataset does."""
import tarfile

import common


def read(files):
    for name in files:
        with open(name, "rb") as f:
            stream = tarfile.open(fileobj=f, mode="r|*")
            for info in stream:
                if info.isreg():
                    yield common.member(info.name, stream.extractfile(info).read())
                    stream.members = []
        yield ["", ""]


common.main(read, "members")
