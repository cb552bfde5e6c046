// Package ssm runs scripts on managed nodes by SSM Run Command, each as an
// approved version of a document that PageFree owns.
//
// It promises that a command is asked for once: SendCommand knows no token
// that would make a second one harmless, so that neither the SDK nor net/http
// tries it again, and a lost answer is ErrUnknown. What was sent carries its
// execution and attempt in its comment, by which Look finds it. What runs is
// named by document, version and SHA-256, so that SSM itself refuses anything
// but what was approved. Values travel as environment variables and are never
// put into a script's text.
//
// Facts about SSM in this package are from the API's model, the user guide and
// the agent's source.
package ssm

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"pagefree/internal/execution/target"
)

// Target sends commands and follows them.
type Target struct {
	SSM *ssm.Client
	S3  *s3.Client
	// Bucket gets the output of all nodes, below Prefix. Without one, output
	// is cut where SSM cuts it: at 24,000 and 8,000 characters.
	Bucket, Prefix string
}

// Prefix is where output lies in the bucket. Rights name it.
const Prefix = "executions"

// Outputs makes the client that reads output. The local stack has its buckets
// in the path.
func Outputs(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
}

var (
	_ target.Sender  = Target{}
	_ target.Tracker = Target{}
)

// Delivery is how long SSM may take to bring a command to a node. An agent may
// be held for about a minute by an association, so that 30 s, the least that
// SSM takes, would give up on healthy nodes.
const Delivery = 2 * time.Minute

// Slowness is how long after the time limit SSM may still tell how a command
// ended: its delivery, and some time of its own. Only then may the silence of
// Look be taken for an outcome that nobody knows.
const Slowness = Delivery + time.Minute

// comment names an attempt to Look, in at most 100 characters.
func comment(executionID string, attempt int) string {
	return fmt.Sprintf("%s#%d", executionID, attempt)
}

// minAgent is the first agent that knows interpolationType ENV_VAR.
const minAgent = "3.3.2746.0"
