package picture

import "strings"

// kinds are the kinds of members by the last part of their extension.
var kinds = map[string]string{
	"jpg": "picture", "jpeg": "picture", "jpe": "picture", "jfif": "picture", "png": "picture", "gif": "picture",
	"bmp": "picture", "webp": "picture", "tif": "picture", "tiff": "picture", "avif": "picture",
	"ppm": "picture", "pgm": "picture", "pbm": "picture", "pnm": "picture",

	"mp4": "video", "m4v": "video", "webm": "video", "mov": "video", "mkv": "video", "avi": "video", "mpg": "video",
	"mpeg": "video", "ogv": "video", "3gp": "video",

	"mp3": "audio", "wav": "audio", "flac": "audio", "ogg": "audio", "oga": "audio", "opus": "audio", "m4a": "audio",
	"aac": "audio", "aif": "audio", "aiff": "audio",

	"json": "json", "jsn": "json",

	"txt": "text", "text": "text", "caption": "text", "transcript": "text", "prompt": "text", "csv": "text",
	"tsv": "text", "md": "text", "yaml": "text", "yml": "text", "toml": "text", "jsonl": "text", "ndjson": "text",
	"log": "text", "lst": "text", "srt": "text", "vtt": "text", "ini": "text", "py": "text", "url": "text",
	"lang": "text",

	"cls": "class", "cls2": "class", "class": "class", "label": "class", "index": "class", "inx": "class",
	"id": "class", "count": "class",

	"npy": "array",

	"html": "markup", "htm": "markup", "xhtml": "markup", "xht": "markup", "svg": "markup", "xml": "markup",
	"js": "markup", "mjs": "markup", "css": "markup",
}

// Kind returns what members with an extension are, by the extension's last part, as readers such as WebDataset take it:
// "picture", "video", "audio", "json", "text", "class" (a number or a name), "array" (.npy), "markup" (which a browser might
// run) or "other". It does not look at the content: a picture may be damaged, or of a format that is not decoded, as AVIF is.
func Kind(ext string) string {
	last := ext[strings.LastIndexByte(ext, '.')+1:]
	if kind := kinds[strings.ToLower(last)]; kind != "" {
		return kind
	}
	return "other"
}
