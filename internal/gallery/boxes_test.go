package gallery

import "testing"

func TestFindBoxes(t *testing.T) {
	for text, want := range map[string]string{
		`{"bbox":[1,2,3,4]}`:                                `[[1,2,3,4,""]]`,
		`{"bbox":[1,2.5,3,4],"category":"cat"}`:             `[[1,2.5,3,4,"cat"]]`,
		`[{"bbox":[1,2,3,4],"label":7},{"bbox":[0,0,1,1]}]`: `[[1,2,3,4,"7"],[0,0,1,1,""]]`,
		`{"annotations":[{"bbox":[1,2,3,4],"category_id":1}],
			"categories":[{"id":1,"name":"dog"}]}`: `[[1,2,3,4,"dog"]]`,
		`{"objects":{"bbox":[[1,2,3,4],[5,6,7,8]],
			"category":["a","b"]}}`: `[[1,2,3,4,"a"],[5,6,7,8,"b"]]`,
		`{"boxes":[[1,2,3,4]],"labels":["x"]}`: `[[1,2,3,4,"x"]]`,
		`{"bbox":[1,2,3]}`:                     `null`,
		`{"bbox":["1",2,3,4]}`:                 `null`,
		`{"bbox":[1,2,-3,4]}`:                  `null`,
		`{"label":"cat"}`:                      `null`,
		`no JSON`:                              `null`,
	} {
		if got := jsonText(findBoxes([]byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestOverlays(t *testing.T) {
	const box = `{"bbox":[1,2,3,4]}`
	s := serve(t, writeShard(t, "a.seg.png", "x", "a.jpg", "x", "a.json", box, "b.json", box))
	var one detailJSON
	s.get("api/sample/0", &one)
	if got := jsonText(one.Overlays); got !=
		`[{"on":1,"kind":"mask","member":0},{"on":1,"kind":"boxes","member":2,"boxes":[[1,2,3,4,""]]}]` {
		t.Error(got)
	}
	s.get("api/sample/1", &one)
	if len(one.Overlays) != 0 {
		t.Errorf("without a picture: %+v", one.Overlays)
	}
}
