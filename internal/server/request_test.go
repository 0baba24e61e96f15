package server

import (
	"bytes"
	"reflect"
	"testing"
)

// Every field of Options reaches the server as it is, also names that are not UTF-8.
func TestRequest(t *testing.T) {
	var want Options
	v := reflect.ValueOf(&want).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("a\xff\n\"" + v.Type().Field(i).Name)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"a\xff", "", v.Type().Field(i).Name}))
		case reflect.Int64:
			f.SetInt(int64(i) + 1)
		default:
			t.Fatalf("a field of kind %v", f.Kind())
		}
	}
	want.Base, want.Changes = BaseKernel, Kernel
	r := newRequest(want)
	r.Verbose, r.LogFormat = true, "json"
	var b bytes.Buffer
	if err := r.write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := readRequest(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.options(), want) {
		t.Errorf("options = %+v, want %+v", got.options(), want)
	}
	if !got.Verbose || got.Quiet || got.LogFormat != "json" {
		t.Errorf("request = %+v", got)
	}
	if b.Len() > 0 {
		t.Errorf("%d bytes after the request", b.Len())
	}
}
