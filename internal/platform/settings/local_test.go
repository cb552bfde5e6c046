package settings

import "testing"

// TestLocalEcho: the local stack's word is believed only beside an AWS on loopback.
func TestLocalEcho(t *testing.T) {
	const echo = "http://127.0.0.1:8080/_local/echo/"
	tests := map[string]struct{ endpoint, want string }{
		"the local stack":        {"http://127.0.0.1:4566", echo},
		"its IPv6 address":       {"http://[::1]:4566", echo},
		"the cloud":              {"", ""},
		"an endpoint of AWS":     {"https://dynamodb.eu-central-1.amazonaws.com", ""},
		"an endpoint in a VPC":   {"http://10.0.0.5:4566", ""},
		"a container's host":     {"http://host.docker.internal:4566", ""},
		"a name":                 {"http://localhost:4566", ""},
		"a name that looks so":   {"http://127.0.0.1.example.com", ""},
		"a user that looks so":   {"http://127.0.0.1@example.com", ""},
		"another scheme":         {"https://127.0.0.1:4566", ""},
		"what cannot be read":    {"http://[::1", ""},
		"another spelling of it": {"http://127.1:4566", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"AWS_ENDPOINT_URL": tt.endpoint, LocalEchoVariable: echo}
			if got := LocalEcho(func(name string) string { return env[name] }); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
