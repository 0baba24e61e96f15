"""What examples need of PyTorch, for machines without it."""
import multiprocessing, random, types


class Dataset:
    pass


class IterableDataset(Dataset):
    pass


worker_info = None  # of a worker process for an IterableDataset


def get_worker_info():
    return worker_info


def iterate(dataset, number, workers, queue):
    """Puts all samples of a worker into the queue, and None."""
    global worker_info
    worker_info = types.SimpleNamespace(id=number, num_workers=workers)
    for sample in dataset:
        queue.put(sample)
    queue.put(None)


class DataLoader:
    """Loads batches in other processes, as PyTorch's does."""

    def __init__(self, dataset, batch_size, num_workers, collate_fn, shuffle=False):
        self.dataset, self.collate_fn, self.num_workers, self.batch_size = dataset, collate_fn, num_workers, batch_size
        self.shuffle = shuffle

    def load(self, batch):
        return self.collate_fn([self.dataset[i] for i in batch])

    def __iter__(self):
        fork = multiprocessing.get_context("fork")
        if isinstance(self.dataset, IterableDataset):
            yield from self.iterate(fork)
            return
        order = list(range(len(self.dataset)))
        if self.shuffle:
            random.shuffle(order)
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        with fork.Pool(self.num_workers) as workers:
            yield from workers.imap(self.load, batches)

    def iterate(self, fork):
        """The batches of an IterableDataset, those of each worker when it has ended."""
        for number in range(self.num_workers):
            queue = fork.SimpleQueue()
            worker = fork.Process(target=iterate, args=(self.dataset, number, self.num_workers, queue))
            worker.start()
            samples = list(iter(queue.get, None))
            worker.join()
            for i in range(0, len(samples), self.batch_size):
                yield self.collate_fn(samples[i : i + self.batch_size])
