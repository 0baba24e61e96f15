"""Epochs of a data loader: four processes, started anew for each epoch, read all samples once.

usage: loader.py MODE EPOCHS PATH...
MODE is tar (read tars one after the other with tarfile), webdataset (by the readers of that package) or files (read the files of the sample
directories below PATH, or below its directories, in random order). Prints the seconds of each epoch and the bytes read.
"""
import multiprocessing, os, random, sys, tarfile, time

PROCESSES = 4


def tars(names):
    n = 0
    for name in names:
        with tarfile.open(name, "r|*") as stream:
            for member in stream:
                if member.isreg():
                    n += len(stream.extractfile(member).read())
                stream.members = []
    return n


def samples_of(names):
    from webdataset.tariterators import tarfile_samples

    n = 0
    for sample in tarfile_samples([{"url": name} for name in names]):
        n += sum(len(value) for value in sample.values() if isinstance(value, bytes))
    return n


def files(samples):
    n = 0
    for sample in samples:
        for ext in ("cls", "jpg", "json"):
            with open(f"{sample}/sample.{ext}", "rb") as f:
                n += len(f.read())
    return n


def samples_below(top):
    for name in sorted(os.listdir(top)):
        path = f"{top}/{name}"
        if os.path.exists(path + "/__key__"):
            yield path
        else:
            yield from (f"{path}/{key}" for key in sorted(os.listdir(path)))


def work(read, part, results):
    results.put(read(part))


def epoch(read, items):
    results = multiprocessing.Queue()
    start = time.perf_counter()
    processes = [
        multiprocessing.Process(target=work, args=(read, items[i::PROCESSES], results)) for i in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    total = sum(results.get() for _ in processes)
    for process in processes:
        process.join()
    return time.perf_counter() - start, total


if __name__ == "__main__":
    mode, epochs, paths = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    read = {"tar": tars, "webdataset": samples_of, "files": files}[mode]
    if mode == "webdataset":
        import webdataset.tariterators  # once, before the processes are started
    items = paths if mode != "files" else [sample for top in paths for sample in samples_below(top)]
    order = random.Random(1)
    for _ in range(epochs):
        order.shuffle(items)
        print(*epoch(read, items))
