package teams_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/infra/local/awstest"
	"pagefree/internal/platform/dynamo"
	"pagefree/internal/platform/teams"
)

func TestTheDirectory(t *testing.T) {
	env := awstest.New(t)
	table := dynamo.Table{Name: env.Table("AutomationTable"), DB: dynamodb.NewFromConfig(env.Config)}
	if err := dynamo.Commit(t.Context(), table.DB, teams.Put(table, "team_a", "Payments")); err != nil {
		t.Fatal(err)
	}
	if name, found, err := teams.Name(t.Context(), table, "team_a"); err != nil || !found || name != "Payments" {
		t.Errorf("got %q, %v, %v", name, found, err)
	}
	if name, found, err := teams.Name(t.Context(), table, "team_b"); err != nil || found || name != "" {
		t.Errorf("a team that does not exist: got %q, %v, %v", name, found, err)
	}
	err := dynamo.Commit(t.Context(), table.DB, teams.Put(table, "team_a", "Other"))
	if _, lost := dynamo.Failed(err); !lost {
		t.Errorf("a second entry: got %v, want a failed condition", err)
	}
}
