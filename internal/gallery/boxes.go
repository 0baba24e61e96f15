package gallery

import "context"

// overlayJSON is what is laid over a picture: a mask, or boxes.
type overlayJSON struct {
	On     int     `json:"on"` // number of the picture
	Kind   string  `json:"kind"`
	Member int     `json:"member"`
	Boxes  [][]any `json:"boxes,omitempty"` // [x, y, width, height, label] each, in pixels
}

// overlays returns what can be laid over the pictures of a sample.
func overlays(context.Context, samples, *entry) []overlayJSON { return []overlayJSON{} }
