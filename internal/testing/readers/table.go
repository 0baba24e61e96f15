package readers

// All returns the readers that have answered, in the order of documentation.
func All() []Reader {
	return []Reader{
		{"webdataset", "WebDataset", "1.0.2", ""},
		{"webdataset-cache", "WebDataset with cache_dir", "1.0.2", ""},
		{"webdataset-decode", "WebDataset with decode", "1.0.2", ""},
		{"wids", "wids", "0.2.107", ""},
		{"huggingface", "Hugging Face datasets", "5.0.2.dev0", "builder and reader of archives, without pyarrow"},
		{"energon", "Megatron-Energon", "bef8be2", "prepare and the loader's reader, without its paths and YAML"},
		{"energon-mount", "energon mount", "bef8be2", "prepare, and its file system without the kernel"},
		{"wds2idx", "DALI's wds2idx", "since September 2022", "and the bytes at its offsets"},
		{"wds2idx-old", "DALI's wds2idx", "before September 2022", "and the bytes at its offsets"},
		{"tarproc", "tarproc", "efb9cf9", "what it writes after a command that changes nothing"},
		{"tarp", "tarp", "4aac567", "the samples that its commands get"},
		{"tarp-cat", "tarp cat", "4aac567", "the samples that it writes"},
		{"aistore", "AIStore", "583e772", "its lists of shards and members read by name"},
		{"aistore-wdskey", "AIStore by wdskey", "583e772", "members selected by the key of a sample"},
		{"aistore-pytorch", "AIStore's AISShardReader", "583e772", "its functions that read and group members"},
		{"lhotse", "Lhotse Shar", "2.0.0a3", "its reader of members"},
		{"ray", "Ray Data", "014936a", "its functions that read and group members"},
		{"torchdata", "torchdata", "0.9.0", "load_from_tar and webdataset"},
		{"python3.8", "Python's tarfile", "3.8.18", "as a stream, grouped by WebDataset's rule"},
		{"python3.9", "Python's tarfile", "3.9.18", "as a stream, grouped by WebDataset's rule"},
		{"python3.10", "Python's tarfile", "3.10.13", "as a stream, grouped by WebDataset's rule"},
		{"python3.11", "Python's tarfile", "3.11.7", "as a stream, grouped by WebDataset's rule"},
		{"python3.12", "Python's tarfile", "3.12.1", "as a stream, grouped by WebDataset's rule"},
		{"python3.13", "Python's tarfile", "3.13.0", "as a stream, grouped by WebDataset's rule"},
	}
}
