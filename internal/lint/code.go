package lint

// Severity says how bad a finding is.
type Severity uint8

const (
	Note    Severity = iota // worth knowing
	Warning                 // some reader sees the shard otherwise than others, or has a hard time with it
	Error                   // some reader loses samples or refuses the shard
	Damage                  // the shard is not whole
)

// String returns the severity as findings are printed with it.
func (s Severity) String() string {
	return [...]string{"note", "warning", "error", "damaged"}[s]
}

// Code names a kind of finding. It does not change.
type Code string

const (
	NotTar    Code = "not-tar"
	Truncated Code = "truncated"
	Damaged   Code = "damaged"

	DuplicateExtension Code = "duplicate-extension"
	ReservedExtension  Code = "reserved-extension"
	KeyReturns         Code = "key-returns"
	KeyInTwoShards     Code = "key-in-two-shards"
	Compression        Code = "compression"
	SeveralMembers     Code = "several-members"
	ExtraField         Code = "extra-field"
	SecondTar          Code = "second-tar"

	Cut                 Code = "cut"
	BytesBehind         Code = "bytes-behind"
	Empty               Code = "empty"
	CaseCollision       Code = "case-collision"
	Hidden              Code = "hidden"
	HiddenKey           Code = "hidden-key"
	NoExtension         Code = "no-extension"
	Newline             Code = "newline"
	EmptyExtension      Code = "empty-extension"
	UnderscoreExtension Code = "underscore-extension"
	UpperCase           Code = "upper-case"
	DoubleDot           Code = "double-dot"
	DottedNames         Code = "dotted-names"
	Meta                Code = "meta"
	Directory           Code = "directory"
	Link                Code = "link"
	Special             Code = "special"
	Sparse              Code = "sparse"
	NotUTF8             Code = "not-utf8"
	NotASCII            Code = "not-ascii"
	Control             Code = "control"
	Blank               Code = "blank"
	AbsoluteName        Code = "absolute-name"
	ParentName          Code = "parent-name"
	DotName             Code = "dot-name"
	LongName            Code = "long-name"
	SlashKeys           Code = "slash-keys"
	ExtendedHeaders     Code = "extended-headers"

	Compressed Code = "compressed"
)

// Severity returns how bad findings of this kind are.
func (c Code) Severity() Severity { return rules[c].severity }

// rules has for each kind of finding how bad it is, and the sentence that says who stumbles and how.
var rules = map[Code]struct {
	severity Severity
	sentence string
}{
	NotTar:    {Damage, "%v"},
	Truncated: {Damage, "%v"},
	Damaged:   {Damage, "%v"},

	DuplicateExtension: {Error, "the extension is in its sample twice%s: WebDataset refuses the shard, tarproc and tarp keep the last of them"},
	ReservedExtension:  {Error, "the extension is reserved: %s"},
	KeyReturns:         {Error, "the key was there before, and then another: WebDataset makes two samples of it, Energon and Ray refuse it"},
	KeyInTwoShards:     {Error, "the key is in %s too: Energon refuses a dataset in which a key comes twice"},
	Compression:        {Error, "compressed by %s: WebDataset fails, as Python reads gzip, bzip2 and xz only (zstd as of 3.14)"},
	SeveralMembers:     {Error, "the first of several %s ends at byte %d of the plain shard: %s"},
	ExtraField:         {Error, "the gzip header has an extra field, as bgzip writes it: Python's stream reader, and so WebDataset, fails"},
	SecondTar:          {Error, "another tar follows the end marker: WebDataset, as most readers, does not see what is in it"},

	Cut:                 {Warning, "%v"},
	BytesBehind:         {Warning, "what follows the end is neither zeros nor a tar: most readers ignore it, and somebody may have meant it"},
	Empty:               {Warning, "no samples: WebDataset fails in a worker that has no other shard"},
	CaseCollision:       {Warning, "the key differs from an earlier one only by case: unpacked where case does not count, one replaces the other"},
	Hidden:              {Warning, "a hidden name: it has no key, readers skip it, and tarp panics"},
	HiddenKey:           {Warning, "a hidden name: WebDataset takes the directory for its key, so that hidden files merge, and DALI skips it"},
	NoExtension:         {Warning, "no extension: WebDataset, tarproc and Energon skip it, tarp makes it a sample, DALI takes its last letter off"},
	Newline:             {Warning, "a newline in the name: the rule of WebDataset finds no key in it, and readers skip it"},
	EmptyExtension:      {Warning, "the extension is empty: an index of DALI cannot hold it"},
	UnderscoreExtension: {Warning, "the extension begins with an underscore: tarproc, tarp and WebDataset's writer drop it"},
	UpperCase:           {Warning, "the extension has upper case: WebDataset lower-cases it, tarproc does at times, Energon and tarp do not"},
	DoubleDot:           {Warning, "the key ends at the first of two dots: the second one is part of the extension"},
	DottedNames:         {Warning, "one of %d different extensions among the first %d with dots: a key ends at the first dot of the name, and was perhaps meant to go on"},
	Meta:                {Note, "its name begins with a component __NAME__: WebDataset and Energon skip it"},
	Directory:           {Note, "a directory: readers skip it"},
	Link:                {Warning, "a link: readers skip it, and what it points to is missing in its sample"},
	Special:             {Warning, "neither a file nor a directory nor a link: readers skip it"},
	Sparse:              {Warning, "a sparse file: DALI and Energon, which read by offset and size, get other bytes"},
	NotUTF8:             {Warning, "the name is not UTF-8: readers in Python get a key that they cannot print or encode"},
	NotASCII:            {Warning, "the name is not ASCII: DALI wants ASCII"},
	Control:             {Warning, "a control character in the name: an index of DALI cannot hold it, nor any list of one name a line"},
	Blank:               {Warning, "a blank in the name: an index of DALI cannot hold it"},
	AbsoluteName:        {Warning, "an absolute name: the slash is part of the key for WebDataset, and tar takes it off"},
	ParentName:          {Warning, "a component .. in the name: it is part of the key for WebDataset, and tar refuses to unpack it"},
	DotName:             {Warning, "a component of the name is empty or a dot: it is part of the key for WebDataset, which tells it from the plain name"},
	LongName:            {Warning, "a component of the name is longer than 255 bytes: it cannot be unpacked"},
	SlashKeys:           {Note, "the key has a slash, as %d of %d have: energon mount does not show them"},
	ExtendedHeaders:     {Note, "%d of %d members have extended headers, which are %d%% of the shard: plain headers would do without"},

	Compressed: {Note, "compressed by %s: DALI and energon mount read plain tars only"},
}
