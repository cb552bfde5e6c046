package ssm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"pagefree/infra/local/ssm"
)

// TestRestart: documents and outcomes are there again; what waited is delivered; what ran is never answered.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	o := ssm.Options{Dir: dir, Second: 50 * time.Millisecond, Nodes: []ssm.Node{{ID: "mi-a"}, {ID: "mi-b", Offline: true}}}
	c, s := open(t, o)
	create(t, c, "done", document("echo done", "60"))
	create(t, c, "long", document("sleep 50", "60"))
	done := send(t, c, "done", "mi-a")
	until(t, c, done, "mi-a", "Success")
	ran := send(t, c, "long", "mi-a")
	until(t, c, ran, "mi-a", "InProgress")
	waits := send(t, c, "done", "mi-b")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	o.Nodes = []ssm.Node{{ID: "mi-a"}, {ID: "mi-b"}}
	c, _ = open(t, o)
	if i := invocation(t, c, done, "mi-a"); *i.StandardOutputContent != "done\n" || i.Status != "Success" {
		t.Errorf("got %+v", i)
	}
	until(t, c, waits, "mi-b", "Success")
	o.Second = time.Millisecond // its time is over soon
	c, _ = open(t, o)
	if i := until(t, c, ran, "mi-a", "DeliveryTimedOut"); i.Status != "TimedOut" {
		t.Errorf("got %+v", i)
	}
	create(t, c, "more", document("echo more", "60"))
	if files, err := filepath.Glob(filepath.Join(dir, "commands", "*.new")); err != nil || len(files) != 0 {
		t.Errorf("left: %v, %v", files, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "documents", "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.Open(o); err == nil {
		t.Error("a broken file is passed over")
	}
}

// TestEvents tells of each change, with parameters in the clear, and without exit codes and output.
func TestEvents(t *testing.T) {
	type event struct{ kind, detail string }
	var mu sync.Mutex
	var got []event
	c, _ := open(t, ssm.Options{Emit: func(kind string, _ []string, detail any) {
		text, _ := json.Marshal(detail)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, event{kind, string(text)})
	}})
	create(t, c, "doc", document("echo secret; exit 3", "60"))
	out, err := c.SendCommand(t.Context(), &api.SendCommandInput{
		DocumentName: aws.String("doc"), InstanceIds: []string{"mi-local"}, Parameters: map[string][]string{"Env": {"value"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, c, *out.Command.CommandId, "mi-local", "Failed")
	mu.Lock()
	defer mu.Unlock()
	var statuses []string
	for _, e := range got {
		var detail map[string]any
		if err := json.Unmarshal([]byte(e.detail), &detail); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, fmt.Sprint(e.kind[:len("EC2 Command ")+1], detail["status"]))
		_, isNode := detail["instance-id"]
		if detail["command-id"] != *out.Command.CommandId || detail["document-name"] != "doc" || isNode != (e.kind == ssm.InvocationEvent) ||
			strings.Contains(e.detail, "secret") || strings.Contains(e.detail, "value") == isNode {
			t.Errorf("got %+v", e)
		}
	}
	if want := "[EC2 Command SPending EC2 Command IInProgress EC2 Command SInProgress EC2 Command IFailed EC2 Command SFailed]"; fmt.Sprint(statuses) != want {
		t.Errorf("got %v", statuses)
	}
}

func TestNodes(t *testing.T) {
	c, _ := open(t, ssm.Options{})
	ask := func(key string, values ...string) ([]string, error) {
		out, err := c.DescribeInstanceInformation(t.Context(), &api.DescribeInstanceInformationInput{Filters: []types.InstanceInformationStringFilter{{Key: &key, Values: values}}})
		var ids []string
		if err == nil {
			for _, n := range out.InstanceInformationList {
				ids = append(ids, *n.InstanceId+" "+string(n.PingStatus))
			}
		}
		return ids, err
	}
	for name, tt := range map[string]struct {
		key    string
		values []string
		want   string
	}{
		"by tag":   {"tag:env", []string{"local"}, "[mi-local Online mi-local-2 Online]"},
		"by name":  {"tag:Name", []string{"mi-offline"}, "[mi-offline ConnectionLost]"},
		"by id":    {"InstanceIds", []string{"mi-local", "i-0123456789abcdef0"}, "[mi-local Online]"},
		"by state": {"PingStatus", []string{"ConnectionLost"}, "[mi-offline ConnectionLost]"},
		"by key":   {"tag-key", []string{"env"}, "[mi-local Online mi-local-2 Online]"},
	} {
		if got, err := ask(tt.key, tt.values...); err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	_, err := ask("Whatever", "x")
	wanted(t, err, "InvalidFilterKey")
	_, err = c.DescribeInstanceInformation(t.Context(), &api.DescribeInstanceInformationInput{MaxResults: aws.Int32(4)})
	wanted(t, err, "ValidationException")
}

// TestWithoutAnAgentNothingRuns, and it is said: so it is where scripts cannot be confined.
func TestWithoutAnAgentNothingRuns(t *testing.T) {
	s, err := ssm.Open(ssm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() { server.Close(); _ = s.Close() })
	c := api.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})})
	create(t, c, "doc", document("echo ran", "60"))
	if i := until(t, c, send(t, c, "doc", "mi-local"), "mi-local", "Failed", "Success"); i.ResponseCode == 0 || *i.StandardErrorContent == "" || *i.StandardOutputContent != "" {
		t.Errorf("got %+v", i)
	}
}
