package ssm

import "time"

// Detail types of the events, under the source aws.ssm.
const (
	CommandEvent    = "EC2 Command Status-change Notification"
	InvocationEvent = "EC2 Command Invocation Status-change Notification"
)

// commandDetail shows parameters in the clear, as the real one does.
type commandDetail struct {
	CommandID    string              `json:"command-id"`
	DocumentName string              `json:"document-name"`
	ExpireAfter  string              `json:"expire-after"`
	Parameters   map[string][]string `json:"parameters"`
	Requested    string              `json:"requested-date-time"`
	Status       string              `json:"status"`
}

// invocationDetail has neither an exit code nor output.
type invocationDetail struct {
	CommandID    string `json:"command-id"`
	DocumentName string `json:"document-name"`
	InstanceID   string `json:"instance-id"`
	Requested    string `json:"requested-date-time"`
	Status       string `json:"status"`
}

// tell sends the events of a change, of i where it is one of an invocation. The caller holds mu.
func (s *Service) tell(c *command, i *invocation) {
	if s.opts.Emit == nil {
		return
	}
	at := c.Requested.UTC().Format(time.RFC3339)
	if i != nil {
		s.opts.Emit(InvocationEvent, []string{"arn:aws:ec2:" + s.opts.Region + ":000000000000:instance/" + i.Node},
			invocationDetail{CommandID: c.ID, DocumentName: c.Document, InstanceID: i.Node, Requested: at, Status: i.Status})
	}
	if status, _ := c.status(); status != c.told {
		c.told = status
		given := c.Given
		if given == nil {
			given = map[string][]string{}
		}
		s.opts.Emit(CommandEvent, []string{}, commandDetail{
			CommandID: c.ID, DocumentName: c.Document, ExpireAfter: s.expires(c).Add(s.seconds(c.Execution)).UTC().Format(time.RFC3339),
			Parameters: given, Requested: at, Status: status,
		})
	}
}
