package aws

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"pagefree/infra/local/awsjson"
	"pagefree/infra/local/s3"
	"pagefree/infra/local/sns"
)

// protocol is how a service words an error.
type protocol struct {
	version string // of AWS's JSON protocol; empty for the REST services
	sqs     bool   // repeats the code in the older protocol's header
	xml     bool   // S3
	query   bool   // SNS
}

func (p protocol) refuse(w http.ResponseWriter, e *awsjson.Error) {
	switch {
	case p.query:
		sns.WriteError(w, e)
	case p.xml:
		s3.WriteError(w, &s3.Error{Code: e.Code, Message: e.Message, Status: cmp.Or(e.Status, http.StatusBadRequest)})
	case p.version == "":
		awsjson.WriteRESTError(w, e)
	case p.sqs && e.Query == "":
		named := *e
		named.Query = e.Code
		awsjson.WriteError(w, p.version, &named)
	default:
		awsjson.WriteError(w, p.version, e)
	}
}

// targets are the services that X-Amz-Target names.
var targets = map[string]struct {
	service string
	wire    protocol
}{
	"DynamoDB_20120810":        {"dynamodb", protocol{version: "1.0"}},
	"DynamoDBStreams_20120810": {"dynamodb", protocol{version: "1.0"}},
	"AmazonSQS":                {"sqs", protocol{version: "1.0", sqs: true}},
	"TrentService":             {"kms", protocol{version: "1.1"}},
	"AmazonSSM":                {"ssm", protocol{version: "1.1"}},
}

// identify reads service and operation off a request. An unknown service has an empty name.
func identify(r *http.Request, body []byte) (service, operation string, wire protocol) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, operation := awsjson.Split(target)
		if t, ok := targets[prefix]; ok {
			return t.service, operation, t.wire
		}
		return "", target, protocol{version: "1.0"}
	}
	path := r.URL.EscapedPath()
	if strings.Contains(r.Header.Get("Authorization"), "/s3/aws4_request") { // its paths begin with anything
		if operation := s3.Operation(r); operation != "" {
			return "s3", operation, protocol{xml: true}
		}
		return "s3", r.Method + " " + path, protocol{xml: true}
	}
	if operation := sns.Open(r); operation != "" {
		return "sns", operation, protocol{query: true}
	}
	if strings.Contains(r.Header.Get("Authorization"), "/sns/aws4_request") {
		operation, _ := sns.Read(r, body)
		return "sns", operation, protocol{query: true}
	}
	if strings.Contains(r.Header.Get("Authorization"), "/execute-api/aws4_request") {
		return "execute-api", connectionCall(r), protocol{}
	}
	switch {
	case strings.HasPrefix(path, "/2015-03-31/functions/") && strings.HasSuffix(path, "/invocations"):
		return "lambda", "Invoke", protocol{}
	case r.Method == http.MethodPost && path == "/v2/email/outbound-emails":
		return "ses", "SendEmail", protocol{}
	}
	return "", r.Method + " " + path, protocol{}
}

// proxy hands a call on to the engine as it is.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, s.engine.JoinPath(r.URL.Path).String(), r.Body)
	if err != nil {
		awsjson.WriteError(w, "1.0", err)
		return
	}
	out.Header, out.ContentLength = r.Header.Clone(), r.ContentLength
	resp, err := s.client.Do(out)
	if err != nil {
		awsjson.WriteError(w, "1.0", &awsjson.Error{Code: "InternalServerError", Message: "the DynamoDB engine does not answer: " + err.Error(), Status: http.StatusInternalServerError})
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // into memory
}
