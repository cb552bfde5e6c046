package identity_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"pagefree/internal/platform/devices"
	"pagefree/internal/platform/dynamo"
)

// TestDevicesEndWithThePerson: what deactivates somebody takes their devices, and nothing else does.
func TestDevicesEndWithThePerson(t *testing.T) {
	w := newWorld(t)
	admin := w.signIn(adminEmail)
	id, _ := w.hire(admin, "temp", "", "")
	table := dynamo.Table{Name: w.env.Table("IdentityTable"), DB: dynamodb.NewFromConfig(w.env.Config)}
	k := devices.Key(id)
	if err := dynamo.Commit(w.Context(), table.DB, table.Create(map[string]any{"pk": k.PK, "sk": k.SK})); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		change string
		there  bool
	}{{`{"name":"Temp"}`, true}, {`{"active":false}`, false}, {`{"active":true}`, false}} {
		w.want(w.do(request{route: "PATCH /v1/users/" + id, as: admin, body: step.change}), http.StatusOK, "")
		if there, err := table.Get(w.Context(), k, &struct{}{}); err != nil || there != step.there {
			t.Errorf("%s: there %v, %v", step.change, there, err)
		}
	}
}
