import multiprocessing, random


class Dataset:
    pass


class DataLoader:
    """Loads batches in other processes, as PyTorch's does."""

    def __init__(self, dataset, batch_size, shuffle, num_workers, collate_fn):
        self.dataset, self.collate_fn, self.num_workers = dataset, collate_fn, num_workers
        order = list(range(len(dataset)))
        if shuffle:
            random.shuffle(order)
        self.batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]

    def load(self, batch):
        return self.collate_fn([self.dataset[i] for i in batch])

    def __iter__(self):
        with multiprocessing.get_context("fork").Pool(self.num_workers) as workers:
            yield from workers.imap(self.load, self.batches)
