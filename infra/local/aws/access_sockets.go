package aws

import (
	"net/http"

	"pagefree/infra/local/gateway"
)

// connectionCall is what a request asks of a socket.
func connectionCall(r *http.Request) string {
	if operation, ok := map[string]string{
		http.MethodPost: "PostToConnection", http.MethodGet: "GetConnection", http.MethodDelete: "DeleteConnection",
	}[r.Method]; ok {
		return operation
	}
	return r.Method
}

// describeConnection needs the one right there is to sockets, to the very call on the very connection.
func (s *Server) describeConnection(r *http.Request, body []byte) request {
	stage, id, ok := gateway.ConnectionOf(r)
	if !ok || s.opts.Template == nil || s.opts.Template.Sockets == nil {
		return request{body: body}
	}
	resource := s.opts.Template.Sockets.ID + "/" + stage + "/" + r.Method + "/@connections/" + id
	return request{body: body, needs: []need{{action: "execute-api:ManageConnections", resource: s.arn("execute-api", resource)}}}
}
