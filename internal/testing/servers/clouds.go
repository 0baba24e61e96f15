package servers

import "testing"

// FakeGCS starts fake-gcs-server, which keeps objects of Google Cloud Storage in memory.
func FakeGCS(t testing.TB) *Server {
	t.Helper()
	return command{program: "fake-gcs-server", dir: dirs(t), args: func(port string) []string {
		return []string{"-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory",
			"-public-host", "127.0.0.1:" + port}
	}}.start(t)
}

// The account of Azurite, and its public key.
const (
	AzureAccount = "devstoreaccount1"
	AzureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azurite starts the blob service of Azurite, which keeps blobs in memory. Those of the account are below URL/AzureAccount.
func Azurite(t testing.TB) *Server {
	t.Helper()
	return command{program: "azurite-blob", dir: dirs(t), args: func(port string) []string {
		return []string{"--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
			"--blobHost", "127.0.0.1", "--blobPort", port}
	}}.start(t)
}
