package az

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// with returns a service in an environment.
func with(env map[string]string) *Service {
	return &Service{Getenv: func(name string) string { return env[name] }}
}

const key = "AAECAwQFBgcICQoLDA0ODw=="

// Where names are, how their requests are signed, and which are none.
func TestLocate(t *testing.T) {
	const azure = "https://acc.blob.core.windows.net"
	acc := map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": key}
	for _, tt := range []struct {
		env              map[string]string
		name, want, sign string
	}{
		{acc, "az://c/a.tar", azure + "/c/a.tar", "SharedKey acc:"},
		{acc, "az://c/d//a b+é#%2f\n.tar", azure + "/c/d//a%20b%2B%C3%A9%23%252f%0A.tar", "SharedKey acc:"},
		{acc, "az://$root/a", azure + "/$root/a", "SharedKey acc:"},
		{acc, "az://acc.blob.core.windows.net/c/a", azure + "/c/a", "SharedKey acc:"},
		{acc, "az://c/a?sv=1&sig=x%2By", azure + "/c/a?sv=1&sig=x%2By", ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT_NAME": "acc", "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x"}, "az://c/a",
			azure + "/c/a?sv=1&sig=x", ""},
		{map[string]string{"AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=x"}, "az://acc.blob.core.windows.net/c/a",
			azure + "/c/a?sv=1&sig=x", ""},
		{map[string]string{"AZURE_STORAGE_KEY": key}, "az://acc.blob.core.windows.net/c/a", azure + "/c/a",
			"SharedKey acc:"},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "AccountName=acc;AccountKey=" + key +
			";EndpointSuffix=core.chinacloudapi.cn",
			"AZURE_STORAGE_ACCOUNT": "other"}, "az://c/a", "https://acc.blob.core.chinacloudapi.cn/c/a",
			"SharedKey acc:"},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true;"}, "az://c/a",
			"http://127.0.0.1:10000/devstoreaccount1/c/a", "SharedKey devstoreaccount1:"},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=" + azure + "/;" +
			"SharedAccessSignature=sv=1&sig=x"},
			"az://c/a", azure + "/c/a?sv=1&sig=x", ""},
		{map[string]string{"AZURE_STORAGE_BLOB_ENDPOINT": "http://h:1/local/", "AZURE_STORAGE_KEY": key}, "az://c/a",
			"http://h:1/local/c/a", "SharedKey local:"},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": key, "AZURE_NO_SIGN_REQUEST": "YES"},
			"az://c/a",
			azure + "/c/a", ""},
		// The key and the signature of one account do not go to another.
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": key, "AZURE_SKIP_SIGNATURE": "1"},
			"az://other.blob.core.windows.net/c/a", "https://other.blob.core.windows.net/c/a", ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_SAS_TOKEN": "sig=x",
			"AZURE_SKIP_SIGNATURE": "1"},
			"az://other.z01.blob.storage.azure.net/c/a", "https://other.z01.blob.storage.azure.net/c/a", ""},
		{acc, "az://", "", ""}, {acc, "az://c", "", ""}, {acc, "az://c/", "", ""}, {acc, "az:///a", "", ""},
		{acc, "az://C/a", "", ""}, {acc, "az://c/a?b", "", ""}, {acc, "az://c@acc.blob.core.windows.net/a", "", ""},
		{acc, "az://evil.example/c/a", "", ""}, {acc, "az://acc.blob.core.windows.net.evil.example/c/a", "", ""},
		{acc, "az://x:y@.blob.core.windows.net/c/a", "", ""}, {acc, "s3://c/a", "", ""},
		{nil, "az://c/a", "", ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "evil.example/", "AZURE_STORAGE_KEY": key}, "az://c/a", "", ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": "secret!"}, "az://c/a", "", ""},
		{map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_SAS_TOKEN": "secret!"}, "az://c/a", "", ""},
		{map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "secret!"}, "az://c/a", "", ""},
		{map[string]string{"AZURE_STORAGE_ENDPOINT": "https://u:secret!@h/"}, "az://c/a", "", ""},
	} {
		p, err := with(tt.env).Locate(t.Context(), tt.name)
		if tt.want == "" {
			if !(errors.Is(err, store.ErrName) || errors.Is(err, store.ErrScheme)) || strings.Contains(err.Error(),
				"secret!") {
				t.Errorf("%v %q: %v", tt.env, tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v %q: %v", tt.env, tt.name, err)
			continue
		}
		r := &http.Request{Method: "GET", URL: p.URL, Header: p.Header.Clone()}
		if p.Sign != nil {
			err = p.Sign(t.Context(), r)
		}
		signed := r.Header.Get("Authorization")
		if err != nil || r.URL.String() != tt.want || !strings.HasPrefix(signed, tt.sign) ||
			(signed == "") != (tt.sign == "") {
			t.Errorf("%v %q: %s, %q, %v, want %s, %q", tt.env, tt.name, r.URL, signed, err, tt.want, tt.sign)
		}
	}
}

// A signature that is added does not change the place for the next request.
func TestSignTwice(t *testing.T) {
	p, err := with(map[string]string{"AZURE_STORAGE_ACCOUNT": "acc",
		"AZURE_STORAGE_SAS_TOKEN": "sig=x"}).Locate(t.Context(), "az://c/a")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		u := *p.URL
		r := &http.Request{Method: "GET", URL: &u, Header: http.Header{}}
		if err := p.Sign(t.Context(), r); err != nil || u.RawQuery != "sig=x" {
			t.Errorf("%s, %v", u.RawQuery, err)
		}
	}
}

// The texts that are signed, as the documentation of Azure has them (Authorize with Shared Key).
func TestToSign(t *testing.T) {
	for _, tt := range []struct {
		method, url string
		header      map[string]string
		want        string
	}{
		{"GET", "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata",
			map[string]string{"X-Ms-Date": "Fri, 26 Jun 2015 23:39:12 GMT", "X-Ms-Version": "2015-02-21"},
			"GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n" +
				"/myaccount/mycontainer\ncomp:metadata\nrestype:container"},
		{"GET",
			"https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=list&" +
				"include=snapshots&include=metadata&include=uncommittedblobs",
			map[string]string{"X-Ms-Date": "Fri, 26 Jun 2015 23:39:12 GMT", "X-Ms-Version": "2015-02-21"},
			"GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n" +
				"/myaccount/mycontainer\ncomp:list\ninclude:metadata,snapshots,uncommittedblobs\nrestype:container"},
		{"GET", "https://myaccount.blob.core.windows.net/c/a%20b?a-b=1&A=2", map[string]string{"Range": "bytes=0-9",
			"If-Match": `"0x8D"`, "X-Ms-A-B": "1", "X-Ms-A": "2", "User-Agent": "x"},
			"GET\n\n\n\n\n\n\n\n\"0x8D\"\n\n\nbytes=0-9\nx-ms-a:2\nx-ms-a-b:1\n/myaccount/c/a%20b\na:2\na-b:1"},
	} {
		r, err := http.NewRequest(tt.method, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range tt.header {
			r.Header.Set(name, value)
		}
		if got, err := toSign(r, "myaccount"); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tt.url, got, err, tt.want)
		}
	}
}

// The checksum is CRC-64/NVME, of which this is the value that catalogues of checksums have, in little-endian order.
func TestChecksum(t *testing.T) {
	got, err := checksum(remote.BytesContent([]byte("123456789")))
	if want := "iJh5CoYUi64="; got != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// Listings come in pages, with names of any characters.
func TestList(t *testing.T) {
	pages := map[string]string{
		"": `<?xml version="1.0" encoding="utf-8"?>
			<EnumerationResults ServiceEndpoint="https://acc/" ContainerName="c"><Prefix>d/</Prefix>
			<Blobs><Blob><Name>d/b&amp;"&lt;ü.tar</Name>
			<Properties><Last-Modified>Mon, 30 Nov 2026 08:00:00 GMT</Last-Modified>
			<Etag>0x8D</Etag><Content-Length>7</Content-Length></Properties></Blob>
			<Blob><Name>d/dir</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>
			<Blob><Name Encoded="true">d%2Fc%EF%BF%BE</Name><Properties><Etag>"0x8E"</Etag></Properties></Blob></Blobs>
			<NextMarker>m/1</NextMarker></EnumerationResults>`,
		"m/1": `<EnumerationResults><Blobs/><NextMarker>m2</NextMarker></EnumerationResults>`, // a page may be empty
		"m2": `<EnumerationResults><Blobs><Blob><Name>d/a</Name>
			<Properties><Content-Length>1</Content-Length></Properties></Blob></Blobs>
			<NextMarker/></EnumerationResults>`,
	}
	env := map[string]string{"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": key}
	for _, in := range []struct{ begin, end string }{{"az://c/", ""}, {"az://acc.blob.core.windows.net/c/",
		"?sig=x"}} {
		var asked []string
		do := func(_ context.Context, p *remote.Place) (http.Header, []byte, error) {
			q := p.URL.Query()
			asked = append(asked, p.URL.Path+" "+q.Get("prefix")+" "+q.Get("marker")+" "+q.Get("sig"))
			return nil, []byte(pages[q.Get("marker")]), nil
		}
		var got []string
		for e, err := range with(env).List(t.Context(), in.begin+"d/"+in.end, do) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(e.Name, " ", e.Size, " ", e.Version, " ", e.ModTime.Year()))
		}
		want := []string{in.begin + "d/a" + in.end + " 1  1", in.begin + `d/b&"<ü.tar` + in.end + ` 7 "0x8D" 2026`,
			in.begin + "d/c\ufffe" + in.end + ` 0 "0x8E" 1`}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if want := []string{"/c d/  ", "/c d/ m/1 ", "/c d/ m2 "}; !slices.Equal(asked, want) {
			t.Errorf("asked for %q", asked)
		}
	}
	for _, bad := range []string{"<html>", "<a/>",
		"<EnumerationResults><Blobs><Blob><Name>x</Name></Blob></Blobs></EnumerationResults>",
		"<EnumerationResults><NextMarker>m</NextMarker></EnumerationResults>",
		`<EnumerationResults><Blobs><Blob><Name Encoded="true">d/%</Name></Blob></Blobs></EnumerationResults>`} {
		do := func(context.Context, *remote.Place) (http.Header, []byte, error) { return nil, []byte(bad), nil }
		for _, err := range with(env).List(t.Context(), "az://c/d/", do) {
			if !errors.Is(err, store.ErrUnreachable) {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
}

// What an answer says of the version, and what is said of errors.
func TestAnswers(t *testing.T) {
	h := http.Header{"Etag": {`"0x8D"`}, "Last-Modified": {"Mon, 30 Nov 2026 08:00:00 GMT"},
		"Content-Encoding": {"GZIP"}}
	if p := pin(h); p.Version != `"0x8D"` || !p.Strong || p.Header.Get("If-Match") != `"0x8D"` ||
		p.ModTime.Year() != 2026 || p.Encoding != "gzip" {
		t.Errorf("%+v", p)
	}
	if p := pin(http.Header{}); p.Version != "" || p.Strong || p.Header != nil {
		t.Errorf("no header: %+v", p)
	}
	signature := url.Values{"se": {"2026-11-30T08:00:00Z"}, "sig": {"secret"}}.Encode()
	for _, tt := range []struct{ code, hint string }{
		{"ContainerNotFound", "there is no such container"},
		{"AuthenticationFailed",
			"the shared access signature is good until 2026-11-30T08:00:00Z, or does not permit it"},
		{"NoAuthenticationInformation", needed}, {"ResourceNotFound",
			"the shared access signature is good until 2026-11-30T08:00:00Z, or does not permit it"},
	} {
		f := fault(account{signature: signature}, 403, http.Header{"X-Ms-Error-Code": {tt.code}})
		if f.Code != tt.code || f.Hint != tt.hint {
			t.Errorf("%s: %+v", tt.code, f)
		}
	}
}
