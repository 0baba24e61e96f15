package gallery

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/shardfs/shardfs/internal/picture"
)

// Limits of what is laid over pictures.
const (
	mostBoxes    = 1000
	mostBoxesDoc = 4 << 20 // bytes of a member with boxes
)

// overlayJSON is what is laid over a picture: a mask, or boxes.
type overlayJSON struct {
	On     int     `json:"on"` // number of the picture
	Kind   string  `json:"kind"`
	Member int     `json:"member"`
	Boxes  [][]any `json:"boxes,omitempty"` // [x, y, width, height, label] each, in pixels
}

// overlays returns what can be laid over the first picture of a sample that is none of them: masks, which are pictures
// whose extension says so, and boxes in members with JSON.
func overlays(ctx context.Context, s samples, e *entry) []overlayJSON {
	list := []overlayJSON{}
	on := -1
	for i := range e.members {
		if m := &e.members[i]; on < 0 && e.isNow(m) && picture.Kind(m.ext) == "picture" && !isMask(m.ext) {
			on = i
		}
	}
	if on < 0 {
		return list
	}
	for i := range e.members[:min(len(e.members), mostDetails)] {
		m := &e.members[i]
		switch kind := picture.Kind(m.ext); {
		case !e.isNow(m):
		case kind == "picture" && isMask(m.ext):
			list = append(list, overlayJSON{On: on, Kind: "mask", Member: i})
		case kind == "json" && m.size <= mostBoxesDoc:
			text, err := head(ctx, s, m, mostBoxesDoc)
			if err != nil {
				continue
			}
			if boxes := findBoxes(text); len(boxes) > 0 {
				list = append(list, overlayJSON{On: on, Kind: "boxes", Member: i, Boxes: boxes})
			}
		}
	}
	return list
}

// isMask reports whether the extension of a picture is that of a mask, as seg.png.
func isMask(ext string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(ext), func(r rune) bool { return r == '.' || r == '_' }) {
		switch word {
		case "seg", "mask", "masks", "segmentation", "semantic", "instance", "panoptic", "labels":
			return true
		}
	}
	return false
}

// findBoxes returns the boxes in a document of JSON, as in COCO: an object with bbox, [x, y, width, height] in pixels, a
// list of such, or one in a field of an object. The label is what category, label or name say, or the number of the
// category, by its name if the document has those.
func findBoxes(text []byte) [][]any {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	f := boxFinder{names: make(map[string]string)}
	if o, ok := v.(map[string]any); ok {
		f.categories(o["categories"])
	}
	f.find(v, 0)
	return f.boxes
}

// boxFinder finds boxes in a document.
type boxFinder struct {
	names map[string]string // of categories, by their numbers
	boxes [][]any
}

// categories reads the names of categories.
func (f *boxFinder) categories(v any) {
	list, _ := v.([]any)
	for _, v := range list {
		o, _ := v.(map[string]any)
		id, hasID := scalar(o["id"])
		name, hasName := o["name"].(string)
		if hasID && hasName {
			f.names[id] = name
		}
	}
}

// find looks for boxes in a value, a few levels deep.
func (f *boxFinder) find(v any, depth int) {
	const deep = 4
	if depth > deep || len(f.boxes) >= mostBoxes {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			f.find(one, depth+1)
		}
	case map[string]any:
		box, ok := numbers(v["bbox"])
		if !ok {
			for _, name := range []string{"annotations", "objects", "boxes", "instances", "detections", "bboxes"} {
				f.find(v[name], depth+1)
			}
			f.lists(v)
			return
		}
		f.add(box, f.label(v))
	}
}

// lists finds boxes that are one list, of which labels are another: {"bbox": [[...], ...], "label": [...]}.
func (f *boxFinder) lists(o map[string]any) {
	for _, name := range []string{"bbox", "bboxes", "boxes"} {
		list, _ := o[name].([]any)
		for i, v := range list {
			box, ok := numbers(v)
			if !ok {
				continue
			}
			label := ""
			for _, of := range []string{"category", "categories", "label", "labels", "name", "names", "category_id"} {
				if labels, ok := o[of].([]any); ok && i < len(labels) && label == "" {
					label = f.named(labels[i])
				}
			}
			f.add(box, label)
		}
	}
}

// label returns the label of the box in an object.
func (f *boxFinder) label(o map[string]any) string {
	for _, name := range []string{"category", "label", "name", "class", "category_id"} {
		if label := f.named(o[name]); label != "" {
			return label
		}
	}
	return ""
}

// named returns a label, or the name of a category whose number it is.
func (f *boxFinder) named(v any) string {
	text, ok := scalar(v)
	if !ok || v == nil {
		return ""
	}
	if name := f.names[text]; name != "" {
		text = name
	}
	return shorten([]byte(text), 60, false)
}

// add adds a box.
func (f *boxFinder) add(box [4]float64, label string) {
	if len(f.boxes) < mostBoxes && box[2] >= 0 && box[3] >= 0 {
		f.boxes = append(f.boxes, []any{box[0], box[1], box[2], box[3], label})
	}
}

// numbers returns four numbers; in JSON all are finite.
func numbers(v any) (box [4]float64, ok bool) {
	list, _ := v.([]any)
	if len(list) != len(box) {
		return box, false
	}
	for i, one := range list {
		n, ok := one.(float64)
		if !ok {
			return box, false
		}
		box[i] = n
	}
	return box, true
}
