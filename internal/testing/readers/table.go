package readers

// All returns the readers that have answered, in the order of documentation.
func All() []Reader {
	return []Reader{
		{"webdataset", "WebDataset", "1.0.2", ""},
		{"webdataset-cache", "WebDataset with cache_dir", "1.0.2", ""},
		{"webdataset-decode", "WebDataset with decode", "1.0.2", ""},
		{"wids", "wids", "0.2.107", ""},
		{"huggingface", "Hugging Face datasets", "5.0.2", "its builder and reader of archives, without pyarrow"},
		{"energon", "Megatron-Energon", "bef8be2", "prepare and its loader's reader, with stand-ins for its paths and YAML"},
		{"energon-mount", "energon mount", "bef8be2", "prepare and its reader by name, with stand-ins for its paths and YAML"},
		{"wds2idx", "DALI's wds2idx", "since September 2022", "and the bytes at its offsets"},
		{"wds2idx-old", "DALI's wds2idx", "before September 2022", "and the bytes at its offsets"},
		{"tarproc", "tarproc", "2020-04-14", ""},
		{"lhotse", "Lhotse Shar", "2.0.0a3", "its reader of members"},
		{"ray", "Ray Data", "2.5x", "its functions that read and group members"},
		{"torchdata", "torchdata", "0.9.0", "load_from_tar and webdataset"},
		{"python3.8", "Python's tarfile", "3.8.18", "as a stream, grouped by WebDataset's rule"},
		{"python3.9", "Python's tarfile", "3.9.18", "as a stream, grouped by WebDataset's rule"},
		{"python3.10", "Python's tarfile", "3.10.13", "as a stream, grouped by WebDataset's rule"},
		{"python3.11", "Python's tarfile", "3.11.7", "as a stream, grouped by WebDataset's rule"},
		{"python3.12", "Python's tarfile", "3.12.1", "as a stream, grouped by WebDataset's rule"},
		{"python3.13", "Python's tarfile", "3.13.0", "as a stream, grouped by WebDataset's rule"},
	}
}
