package az

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/shardfs/shardfs/internal/store/bearer"
)

// scope is what tokens are for.
const scope = "https://storage.azure.com/.default"

// identity gets tokens by the credentials of Azure's DefaultAzureCredential, in its order: a client's secret or
// certificate, a workload's identity, a managed identity, those of az and of azd. It is without the password of a user,
// which Azure has deprecated and whose library would be 0.7 MB more, and without PowerShell.
type identity struct {
	getenv func(name string) string
}

// token gets a new token. It looks for the credentials anew, since they may have been replaced. Where there are none,
// requests are anonymous.
func (id *identity) token(ctx context.Context) (bearer.Token, error) {
	exchange := bearer.NewExchange(http.DefaultTransport)
	sources, err := id.sources(ctx, azcore.ClientOptions{Transport: exchange.Client()})
	if err != nil {
		return bearer.Token{}, exchange.Explain(err)
	}
	if len(sources) == 0 {
		return bearer.Token{}, nil
	}
	chain, err := azidentity.NewChainedTokenCredential(sources, nil)
	if err != nil {
		return bearer.Token{}, exchange.Explain(err)
	}
	token, err := chain.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	var failed *azidentity.AuthenticationFailedError
	switch {
	case err == nil:
		return bearer.Token{Value: token.Token, Expires: token.ExpiresOn}, nil
	case ctx.Err() == nil && !errors.As(err, &failed):
		return bearer.Token{}, nil // none is configured
	}
	return bearer.Token{}, exchange.Explain(err)
}

// source is a kind of credentials.
type source struct {
	name string // in AZURE_TOKEN_CREDENTIALS
	kind string // there, too
	get  func(ctx context.Context, o azcore.ClientOptions) (azcore.TokenCredential, error)
}

// sources returns the credentials that are configured, as far as that can be told without asking for a token.
func (id *identity) sources(ctx context.Context, o azcore.ClientOptions) (found []azcore.TokenCredential, err error) {
	all := []source{
		{"EnvironmentCredential", "prod", id.client},
		{"WorkloadIdentityCredential", "prod", id.workload},
		{"ManagedIdentityCredential", "prod", id.managed},
		{"AzureCLICredential", "dev", commandLine},
		{"AzureDeveloperCLICredential", "dev", developerCommandLine},
	}
	if only := id.getenv("AZURE_TOKEN_CREDENTIALS"); only != "" {
		all = slices.DeleteFunc(all, func(s source) bool { return s.name != only && s.kind != only })
		if len(all) == 0 {
			return nil, errors.New("AZURE_TOKEN_CREDENTIALS names none that is known")
		}
	}
	for _, s := range all {
		credential, err := s.get(ctx, o)
		if err != nil {
			return nil, err
		}
		if credential != nil {
			found = append(found, credential)
		}
	}
	return found, nil
}

// client returns the credentials of a client in the environment, or nil.
func (id *identity) client(_ context.Context, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	tenant, client := id.getenv("AZURE_TENANT_ID"), id.getenv("AZURE_CLIENT_ID")
	secret, file := id.getenv("AZURE_CLIENT_SECRET"), id.getenv("AZURE_CLIENT_CERTIFICATE_PATH")
	switch {
	case tenant == "" || client == "" || secret == "" && file == "":
		return nil, nil
	case secret != "":
		return azidentity.NewClientSecretCredential(tenant, client, secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o})
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	chain, key, err := azidentity.ParseCertificates(text, []byte(id.getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD")))
	if err != nil {
		return nil, errors.New("AZURE_CLIENT_CERTIFICATE_PATH: no certificate and key, or another password")
	}
	return azidentity.NewClientCertificateCredential(tenant, client, chain, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: o})
}

// workload returns the credentials of a pod with a workload identity, or nil.
func (id *identity) workload(_ context.Context, o azcore.ClientOptions) (azcore.TokenCredential, error) {
	for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"} {
		if id.getenv(name) == "" {
			return nil, nil
		}
	}
	return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: o})
}

// managed returns the credentials of the machine, or nil.
func (id *identity) managed(ctx context.Context, client azcore.ClientOptions) (azcore.TokenCredential, error) {
	if id.getenv("IDENTITY_ENDPOINT") == "" && id.getenv("MSI_ENDPOINT") == "" && !isOnAzure(ctx) {
		return nil, nil
	}
	o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: client}
	if id.getenv("IDENTITY_SERVER_THUMBPRINT") != "" {
		o.Transport = nil // of Service Fabric, whose certificate only the library's own transport knows
	}
	if client := id.getenv("AZURE_CLIENT_ID"); client != "" {
		o.ID = azidentity.ClientID(client)
	}
	return azidentity.NewManagedIdentityCredential(o)
}

// isOnAzure reports whether the metadata service of a machine of Azure answers. It refuses a request without the header
// Metadata by 400. Those of other clouds, at the same address, answer otherwise; Azure's library would ask them for
// minutes.
func isOnAzure(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://169.254.169.254/metadata/identity/oauth2/token", nil)
	if err != nil {
		return false
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusBadRequest
}

func commandLine(context.Context, azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewAzureCLICredential(nil)
}

func developerCommandLine(context.Context, azcore.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewAzureDeveloperCLICredential(nil)
}
