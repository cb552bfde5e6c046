package aws

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"pagefree/infra/local/s3"
)

// documentOperations are decided on the document, and commandOperations on nothing that has a name.
// Source: service authorization reference, Systems Manager.
var (
	documentOperations = []string{"CreateDocument", "UpdateDocument", "UpdateDocumentDefaultVersion", "DescribeDocument", "GetDocument"}
	commandOperations  = []string{"CancelCommand", "DescribeInstanceInformation", "GetCommandInvocation", "ListCommandInvocations", "ListCommands"}
)

func (s *Server) describeSSM(operation string, body []byte) request {
	var in struct {
		Name         string
		Names        []string
		DocumentName string
		InstanceIds  []string
		Targets      []json.RawMessage
	}
	_ = json.Unmarshal(body, &in)
	r := request{body: body}
	need1 := func(resource string) { r.needs = append(r.needs, need{action: "ssm:" + operation, resource: resource}) }
	switch {
	case slices.Contains(documentOperations, operation):
		need1(s.documentARN(in.Name))
		return r
	case slices.Contains(commandOperations, operation):
		need1("*")
		return r
	case operation == "SendCommand":
		need1(s.documentARN(in.DocumentName))
		for _, id := range in.InstanceIds {
			need1(s.nodeARN(id))
		}
		if len(in.Targets) > 0 { // it is decided on each node that matches; rights to all of a kind are asked for here
			need1(s.nodeARN("mi-*"))
			need1(s.nodeARN("i-*"))
		}
		return r
	}
	if in.Name != "" {
		in.Names = append(in.Names, in.Name)
	}
	for _, name := range in.Names {
		if !strings.HasPrefix(name, "arn:") {
			name = s.arn("ssm", "parameter/"+strings.TrimPrefix(name, "/"))
		}
		need1(name)
	}
	return r
}

func (s *Server) documentARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return s.arn("ssm", "document/"+name)
}

// nodeARN is how IAM names a node: machines of EC2 belong to EC2, all others to Systems Manager.
func (s *Server) nodeARN(id string) string {
	if strings.HasPrefix(id, "mi-") {
		return s.arn("ssm", "managed-instance/"+id)
	}
	return s.arn("ec2", "instance/"+id)
}

// describeS3 asks for the right to the object, and to list its bucket where it is not there: without that right, S3 does
// not tell whether something exists.
func (s *Server) describeS3(operation string, r *http.Request, body []byte) request {
	bucket, key := s3.Split(r.URL)
	out := request{body: body}
	if s3.Operation(r) == "" {
		return out
	}
	action := operation
	if operation == "HeadObject" {
		action = "GetObject"
	}
	out.needs = []need{{action: "s3:" + action, resource: "arn:aws:s3:::" + bucket + "/" + key}}
	if action == "GetObject" && s.opts.S3 != nil && !s.opts.S3.Has(bucket, key) {
		out.needs = append(out.needs, need{action: "s3:ListBucket", resource: "arn:aws:s3:::" + bucket})
	}
	return out
}
