// Package aws is the one loopback port behind which the local stack serves AWS: it tells the services apart as the wire
// does, by X-Amz-Target or path, and hands DynamoDB on to the engine.
package aws

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"pagefree/infra/local/awsjson"
)

// Options say what stands behind the port. A service that is nil does not exist.
type Options struct {
	DynamoDB string // the engine's endpoint, http://host:port
	SQS      http.Handler
	KMS      http.Handler
	SSM      http.Handler
	SES      http.Handler
	Lambda   http.Handler
}

// Server is the port's handler.
type Server struct {
	byTarget map[string]http.Handler
	byPath   map[string]http.Handler
}

// New makes the handler.
func New(o Options) (*Server, error) {
	s := &Server{
		byTarget: map[string]http.Handler{"AmazonSQS": o.SQS, "TrentService": o.KMS, "AmazonSSM": o.SSM},
		byPath:   map[string]http.Handler{"/v2/email/": o.SES, "/2015-03-31/functions/": o.Lambda},
	}
	if o.DynamoDB != "" {
		engine, err := url.Parse(o.DynamoDB)
		if err != nil {
			return nil, err
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(engine) }}
		s.byTarget["DynamoDB_20120810"], s.byTarget["DynamoDBStreams_20120810"] = proxy, proxy
	}
	return s, nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix, operation := awsjson.Split(r.Header.Get("X-Amz-Target"))
	if h := s.byTarget[prefix]; h != nil {
		h.ServeHTTP(w, r)
		return
	}
	for path, h := range s.byPath {
		if h != nil && strings.HasPrefix(r.URL.Path, path) {
			h.ServeHTTP(w, r)
			return
		}
	}
	awsjson.WriteError(w, "1.0", awsjson.Unknown(prefix, operation))
}
