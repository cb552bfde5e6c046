package awsjson_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/awsjson"
)

type kind string

type metadata struct{ hidden int }

type output struct {
	Name           *string
	Kind           kind
	At             *time.Time
	Blob           []byte
	List           []inner
	Map            map[string]inner
	Number         int32
	Absent         *inner
	ResultMetadata metadata
	private        string
}

type inner struct{ Value *string }

func TestMarshal(t *testing.T) {
	name, value := "n", "v"
	at := time.UnixMilli(1_700_000_000_123)
	got, err := awsjson.Marshal(&output{
		Name: &name, Kind: "K", At: &at, Blob: []byte{1}, List: []inner{{&value}}, Map: map[string]inner{"m": {}},
		ResultMetadata: metadata{1}, private: "p",
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"At":1700000000.123,"Blob":"AQ==","Kind":"K","List":[{"Value":"v"}],"Map":{"m":{}},"Name":"n","Number":0}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := awsjson.Marshal((*output)(nil)); err != nil || string(got) != "{}" {
		t.Errorf("nothing: got %s, %v", got, err)
	}
}

func TestService(t *testing.T) {
	s := &awsjson.Service{Prefix: "Test", Version: "1.1", Operations: map[string]awsjson.Operation{
		"Echo": awsjson.Op(func(_ context.Context, in *inner) (*inner, error) { return in, nil }),
		"Refuse": awsjson.Op(func(context.Context, *inner) (*inner, error) {
			return nil, &awsjson.Error{Code: "Refused", Message: "why", Query: "Old.Refused", Fields: map[string]any{"More": 1}}
		}),
		"Break": awsjson.Op(func(context.Context, *inner) (*inner, error) { return nil, errors.New("broken") }),
	}}
	tests := map[string]struct {
		target, body string
		status       int
		want         string // in the answer
	}{
		"an answer":            {"Test.Echo", `{"Value":"v"}`, 200, `{"Value":"v"}`},
		"no body":              {"Test.Echo", "", 200, `{}`},
		"a body that is none":  {"Test.Echo", "x", 400, `SerializationException`},
		"a refusal":            {"Test.Refuse", "{}", 400, `{"More":1,"__type":"Refused","message":"why"}`},
		"a fault":              {"Test.Break", "{}", 500, `InternalFailure`},
		"an unknown operation": {"Test.Other", "{}", 400, `UnknownOperationException`},
		"another service":      {"Prod.Echo", "{}", 400, `UnknownOperationException`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
			r.Header.Set("X-Amz-Target", test.target)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, test.status, test.want)
			}
			if got := w.Header().Get("Content-Type"); got != "application/x-amz-json-1.1" {
				t.Errorf("content type: got %s", got)
			}
			if name == "a refusal" && w.Header().Get("x-amzn-query-error") != "Old.Refused;Sender" {
				t.Errorf("query error: got %q", w.Header().Get("x-amzn-query-error"))
			}
		})
	}
}

func TestRESTError(t *testing.T) {
	w := httptest.NewRecorder()
	awsjson.WriteRESTError(w, &awsjson.Error{Code: "Refused", Message: "why", Status: http.StatusForbidden})
	var body struct{ Message string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 403 || w.Header().Get("X-Amzn-ErrorType") != "Refused" || body.Message != "why" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
}
