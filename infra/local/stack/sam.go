package stack

import (
	"encoding/json"
	"os"
	"strings"
)

// WriteSAMEnvironment writes the file that `sam local --env-vars` takes: each function's environment as this stack's own
// processes have it, with the AWS services under another host name, such as host.docker.internal, where a container
// reaches them. sam overrides only what the template declares, and knows no names of resources by itself.
func (s *Stack) WriteSAMEnvironment(path, host string) error {
	endpoint := strings.Replace(s.AWSEndpoint, "127.0.0.1", host, 1)
	environments := map[string]map[string]string{}
	for id, f := range s.template.Functions {
		environment := map[string]string{}
		for name, value := range f.Environment {
			environment[name] = strings.ReplaceAll(value, s.AWSEndpoint, endpoint)
			if name == "AWS_ENDPOINT_URL" && value == "" {
				environment[name] = endpoint
			}
		}
		environments[id] = environment
	}
	data, err := json.MarshalIndent(environments, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
