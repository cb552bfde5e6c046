package aws_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"pagefree/infra/local/aws"
	"pagefree/infra/local/gateway"
	"pagefree/infra/local/template"
	"pagefree/internal/realtime"
)

// TestSocketRights: the one function that reaches sockets may say something and close, by its own policies.
func TestSocketRights(t *testing.T) {
	tpl, err := template.Load("../../../template.yaml", template.Options{Parameters: map[string]string{"FirstAdminEmail": "a@pagefree.test", "MailFrom": "b@pagefree.test"}})
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := gateway.NewSockets(gateway.SocketOptions{Template: tpl})
	if err != nil {
		t.Fatal(err)
	}
	port, err := aws.New(aws.Options{Template: tpl, Sockets: sockets.Connections(), Caller: func(key string) (aws.Caller, bool) {
		f, ok := tpl.Functions[strings.TrimPrefix(key, aws.AccessKeyPrefix)]
		return aws.Caller{Function: f}, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(port)
	t.Cleanup(server.Close)
	as := func(key string) *realtime.Connections {
		t.Helper()
		c, err := realtime.NewConnections(sdk.Config{
			Region: tpl.Region, BaseEndpoint: &server.URL, HTTPClient: http.DefaultClient,
			Credentials: sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
				return sdk.Credentials{AccessKeyID: key, SecretAccessKey: "test"}, nil
			}),
		}, tpl.Functions["PublisherFunction"].Environment["CONNECTIONS_URL"], time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const id = "Vd0gYc7t/+AMCJQ=="
	for key, want := range map[string]string{
		"operator": "gone", aws.AccessKeyPrefix + "PublisherFunction": "gone",
		aws.AccessKeyPrefix + "RealtimeFunction": "not authorized to perform: execute-api:ManageConnections", aws.AccessKeyPrefix + "x": "security token",
	} {
		if err := as(key).Post(t.Context(), id, []byte("x")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", key, err, want)
		}
	}
	if err := as(aws.AccessKeyPrefix+"PublisherFunction").Close(t.Context(), id); err != nil {
		t.Errorf("closing one that is gone: %v", err)
	}
	if err := as(aws.AccessKeyPrefix+"RealtimeFunction").Close(t.Context(), id); err == nil {
		t.Error("another function may close sockets")
	}
	counted := port.Counts().Number(aws.Call{Service: "execute-api", Operation: "PostToConnection"})
	if counted != 4 {
		t.Errorf("%d calls were counted", counted)
	}
}
