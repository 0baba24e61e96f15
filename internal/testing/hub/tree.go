package hub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// serveTree answers with a page of a directory's entries, which are in no useful order.
func (h *Hub) serveTree(w http.ResponseWriter, r *http.Request, files tree, dir string, bucket bool) {
	below := r.URL.Query().Get("recursive") == "true"
	if dir != "" {
		dir += "/"
	}
	type file = map[string]any
	entries := map[string]file{}
	for path, data := range files {
		rest, ok := strings.CutPrefix(path, dir)
		if !ok {
			continue
		}
		for i := range rest {
			if rest[i] == '/' && (below || !strings.Contains(rest[:i], "/")) {
				d := dir + rest[:i]
				entries[d] = file{"type": "directory", "oid": "0", "size": 0, "path": d}
			}
		}
		if !below && strings.Contains(rest, "/") {
			continue
		}
		e := file{"type": "file", "size": len(data), "path": path}
		switch {
		case bucket:
			e["xetHash"] = digest(data)
		case len(data) >= largeSize:
			e["oid"] = "1"
			e["lfs"] = file{"oid": digest(data), "size": len(data), "pointerSize": 134}
		default:
			e["oid"] = digest(data)
		}
		entries[path] = e
	}
	if len(entries) == 0 && dir != "" {
		fail(w, http.StatusNotFound, "EntryNotFound", dir+" does not exist")
		return
	}
	var paths []string
	for path := range entries {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(b, a) })
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	from = min(from, len(paths))
	to := min(from+h.pageSize, len(paths))
	if to < len(paths) {
		w.Header().Set("Link", fmt.Sprintf(`<https://huggingface.co%s?recursive=%t&cursor=%d>; rel="next"`,
			r.URL.EscapedPath(), below, to))
	}
	page := []file{}
	for _, path := range paths[from:to] {
		page = append(page, entries[path])
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(page)
}
