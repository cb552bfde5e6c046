package ssm

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/uuid"
)

// SendCommand accepts a command, and answers before anything of it runs.
func (s *Service) SendCommand(_ context.Context, in *api.SendCommandInput) (*api.SendCommandOutput, error) {
	if err := checkSend(in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, v, err := s.version(in.DocumentName, in.DocumentVersion, nil)
	if err != nil {
		return nil, err
	}
	if in.DocumentHash != nil && *in.DocumentHash != v.hash() {
		return nil, failure("InvalidDocument", "The document hash does not match the hash of %s, version %d.", d.Name, v.Number)
	}
	doc, err := parse(v.Content)
	if err != nil {
		return nil, err
	}
	values, err := doc.values(in.Parameters)
	if err != nil {
		return nil, err
	}
	size := len(v.Content)
	for name, given := range in.Parameters {
		size += len(name) + len(given[0])
	}
	if size > maxContent {
		return nil, failure("MaxDocumentSizeExceeded", "The size limit of a document is 64 KB, runtime parameters included.")
	}
	ids, err := s.addressed(in)
	if err != nil {
		return nil, err
	}
	delivery := int(aws.ToInt32(in.TimeoutSeconds))
	if in.TimeoutSeconds == nil {
		delivery = 3600
	}
	now := time.Now()
	c := &command{
		ID: uuid.NewString(), Document: d.Name, DocumentVersion: v.Number, Comment: aws.ToString(in.Comment), Given: in.Parameters, Values: values,
		InstanceIDs: in.InstanceIds, Targets: in.Targets, Delivery: delivery, Execution: doc.executionTimeout(values), Requested: now,
		Bucket: aws.ToString(in.OutputS3BucketName), Prefix: aws.ToString(in.OutputS3KeyPrefix),
		MaxConcurrency: valueOr(in.MaxConcurrency, "50"), MaxErrors: valueOr(in.MaxErrors, "0"),
	}
	if s.opts.Pending > 0 && s.waiting()+len(ids) > s.opts.Pending {
		c.RateExceeded, ids = true, nil
	}
	for _, id := range ids {
		c.Invocations = append(c.Invocations, &invocation{Node: id, Status: pending, Details: pending, Code: -1})
	}
	if err := s.keepCommand(c); err != nil {
		return nil, err
	}
	s.commands = append(s.commands, c)
	s.start(c)
	return &api.SendCommandOutput{Command: s.describe(c)}, nil
}

// waiting counts the invocations that have not ended. The caller holds mu.
func (s *Service) waiting() (n int) {
	for _, c := range s.commands {
		for _, i := range c.Invocations {
			if !final(i.Status) {
				n++
			}
		}
	}
	return n
}

func valueOr(given *string, other string) string {
	if given == nil || *given == "" {
		return other
	}
	return *given
}

var (
	concurrency = regexp.MustCompile(`^([1-9][0-9]*|[1-9][0-9]?%|100%)$`)
	errorLimit  = regexp.MustCompile(`^([1-9][0-9]*|0|[1-9][0-9]?%|0%|100%)$`)
	nodeName    = regexp.MustCompile(`^(i-(\w{8}|\w{17})|mi-[\w-]{1,61})$`)
)

// checkSend is the validation that needs no look at what there is.
func checkSend(in *api.SendCommandInput) error {
	seconds := aws.ToInt32(in.TimeoutSeconds)
	switch {
	case in.DocumentName == nil:
		return invalid("documentName", "Member must not be null")
	case len(in.InstanceIds) > 50:
		return invalid("instanceIds", "Member must have length less than or equal to 50")
	case len(in.Targets) > 5:
		return invalid("targets", "Member must have length less than or equal to 5")
	case slices.ContainsFunc(in.Targets, func(t types.Target) bool { return len(t.Values) > 50 }):
		return invalid("targets.member.values", "Member must have length less than or equal to 50")
	case (len(in.InstanceIds) > 0) == (len(in.Targets) > 0):
		return failure("ValidationException", "Specify either InstanceIds or Targets.")
	case utf8.RuneCountInString(aws.ToString(in.Comment)) > 100:
		return invalid("comment", "Member must have length less than or equal to 100")
	case in.TimeoutSeconds != nil && seconds < 30:
		return invalid("timeoutSeconds", "Member must have value greater than or equal to 30")
	case seconds > 2_592_000:
		return invalid("timeoutSeconds", "Member must have value less than or equal to 2592000")
	case in.MaxConcurrency != nil && !concurrency.MatchString(*in.MaxConcurrency):
		return invalid("maxConcurrency", "Member must satisfy regular expression pattern: "+concurrency.String())
	case in.MaxErrors != nil && !errorLimit.MatchString(*in.MaxErrors):
		return invalid("maxErrors", "Member must satisfy regular expression pattern: "+errorLimit.String())
	case in.DocumentHash != nil && in.DocumentHashType != types.DocumentHashTypeSha256:
		return failure("ValidationException", "the local stack compares hashes of type Sha256")
	case len(aws.ToString(in.DocumentHash)) > 256:
		return invalid("documentHash", "Member must have length less than or equal to 256")
	case len(aws.ToString(in.OutputS3KeyPrefix)) > 500:
		return invalid("outputS3KeyPrefix", "Member must have length less than or equal to 500")
	case in.OutputS3BucketName != nil && (len(*in.OutputS3BucketName) < 3 || len(*in.OutputS3BucketName) > 63):
		return invalid("outputS3BucketName", "Member must have length between 3 and 63")
	case in.AlarmConfiguration != nil || in.CloudWatchOutputConfig != nil || in.NotificationConfig != nil || in.ServiceRoleArn != nil:
		return failure("ValidationException", "the local stack has no alarms, logs and notifications of commands")
	}
	return nil
}

// addressed are the nodes that a command is for. One that is named and not there is InvalidInstanceId; tags that match
// nothing are no error.
func (s *Service) addressed(in *api.SendCommandInput) ([]string, error) {
	for i, id := range in.InstanceIds {
		if slices.Contains(in.InstanceIds[:i], id) {
			return nil, failure("DuplicateInstanceId", "%s is named twice.", id)
		}
		if _, ok := s.node(id); !ok || !nodeName.MatchString(id) {
			return nil, failure("InvalidInstanceId", "Instances [[%s]] not in a valid state for account", id)
		}
	}
	if len(in.InstanceIds) > 0 {
		return in.InstanceIds, nil
	}
	return s.matching(in.Targets)
}

// share reads a number, or a share of so many, rounded down but at least least.
func share(text string, of, least int) int {
	digits, percent := strings.CutSuffix(text, "%")
	n, _ := strconv.Atoi(digits) // checked by the pattern
	if percent {
		n = of * n / 100
	}
	return max(n, least)
}
