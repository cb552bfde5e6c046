package runbook

import (
	"pagefree/internal/platform/timestamp"
)

// Languages of scripts.
const (
	Bash       = "BASH"
	Python     = "PYTHON"
	JavaScript = "JAVASCRIPT"
)

// Version is one immutable state of a runbook: all that decides what runs, and
// when, so that it is reviewed and sealed as one. After it was made only its
// review changes: status, check, submitter, reviewer and seal.
type Version struct {
	PK string `json:"-" dynamodbav:"pk"`
	SK string `json:"-" dynamodbav:"sk"`

	RunbookID string `json:"runbookId" dynamodbav:"runbookId"`
	Version   int    `json:"version" dynamodbav:"version"`
	Status    Status `json:"status" dynamodbav:"status" enum:"DRAFT,PENDING_REVIEW,APPROVED,REJECTED"`

	Language        string      `json:"language" dynamodbav:"language" enum:"BASH,PYTHON,JAVASCRIPT"`
	ScriptContent   string      `json:"scriptContent" dynamodbav:"scriptContent"`
	Parameters      []Parameter `json:"parameters" dynamodbav:"parameters" nullable:"false"`
	Target          Target      `json:"target" dynamodbav:"target"`
	TimeoutSeconds  int         `json:"timeoutSeconds" dynamodbav:"timeoutSeconds"`
	MaxRetries      int         `json:"maxRetries" dynamodbav:"maxRetries"`
	Idempotent      bool        `json:"idempotent" dynamodbav:"idempotent"`
	Concurrency     int         `json:"concurrency" dynamodbav:"concurrency"`
	MaxRunsPerHour  *int        `json:"maxRunsPerHour" dynamodbav:"maxRunsPerHour"`
	ServiceID       *string     `json:"serviceId" dynamodbav:"serviceId"`
	RequiresConfirm bool        `json:"requiresConfirm" dynamodbav:"requiresConfirm"`
	Risk            string      `json:"risk" dynamodbav:"risk" enum:"LOW,MEDIUM,HIGH"`

	Check         *Check          `json:"check" dynamodbav:"check" doc:"what parsing the script found; null until it is submitted"`
	ChangeNote    string          `json:"changeNote" dynamodbav:"changeNote"`
	CreatedByID   string          `json:"createdById" dynamodbav:"createdById"`
	CreatedAt     timestamp.Time  `json:"createdAt" dynamodbav:"createdAt"`
	LastEditorID  string          `json:"-" dynamodbav:"lastEditorId"` // its author, as long as versions are immutable
	SubmittedByID *string         `json:"submittedById" dynamodbav:"submittedById"`
	ReviewedByID  *string         `json:"reviewedById" dynamodbav:"reviewedById"`
	ReviewedAt    *timestamp.Time `json:"reviewedAt" dynamodbav:"reviewedAt"`
	ReviewNote    string          `json:"reviewNote" dynamodbav:"reviewNote"`
	ContentHash   *string         `json:"contentHash" dynamodbav:"contentHash" doc:"hex SHA-256 of what was approved, by whom; null until then"`

	Document *Document `json:"-" dynamodbav:"document"` // what approving published for the ssm target
	Seal     Seal      `json:"-" dynamodbav:"seal"`
}

// Check is the result of parsing a script without running it.
type Check struct {
	OK      bool   `json:"ok" dynamodbav:"ok"`
	Line    int    `json:"line,omitempty" dynamodbav:"line,omitempty" doc:"where the script is wrong, from 1"`
	Message string `json:"message,omitempty" dynamodbav:"message,omitempty"`
}

// Document is the SSM document that an approved version runs as.
type Document struct {
	Name    string `dynamodbav:"name"`
	Version string `dynamodbav:"version"`
	Hash    string `dynamodbav:"hash"` // hex SHA-256 of its content
}

// Parameter describes one value that a script is given as PF_<Name>.
type Parameter struct {
	Name        string `json:"name" dynamodbav:"name" pattern:"^[A-Z][A-Z0-9_]{0,39}$"`
	Type        string `json:"type" dynamodbav:"type" enum:"string,integer,number,boolean"`
	Description string `json:"description,omitempty" dynamodbav:"description,omitempty" maxLength:"1000"`
	Required    bool   `json:"required,omitempty" dynamodbav:"required,omitempty"`
	Default     any    `json:"default,omitempty" dynamodbav:"default,omitempty" doc:"obeys type, enum and pattern"`
	Enum        []any  `json:"enum,omitempty" dynamodbav:"enum,omitempty" maxItems:"100"`
	Pattern     string `json:"pattern,omitempty" dynamodbav:"pattern,omitempty" maxLength:"500" doc:"RE2; the whole value has to match"`
	MaxLength   *int   `json:"maxLength,omitempty" dynamodbav:"maxLength,omitempty" minimum:"1" maximum:"32768" doc:"characters of a string"`
	Secret      bool   `json:"secret,omitempty" dynamodbav:"secret,omitempty" doc:"shown as *** on executions"`
	Template    string `json:"template,omitempty" dynamodbav:"template,omitempty" maxLength:"4096" doc:"fixes the value from the incident"`
}

// Types of parameters.
const (
	String  = "string"
	Integer = "integer"
	Number  = "number"
	Boolean = "boolean"
)

// Target says where a version runs. Which members it has depends on its type.
type Target struct {
	Type string `json:"type" dynamodbav:"type" enum:"sandbox,ssm,webhook,named"`

	InstanceIDs    []string            `json:"instanceIds,omitempty" dynamodbav:"instanceIds,omitempty" doc:"ssm"`
	Tags           map[string][]string `json:"tags,omitempty" dynamodbav:"tags,omitempty" doc:"ssm"`
	MaxNodes       int                 `json:"maxNodes,omitempty" dynamodbav:"maxNodes,omitempty" doc:"ssm; more at dispatch and nothing is sent; default 1"`
	MaxConcurrency string              `json:"maxConcurrency,omitempty" dynamodbav:"maxConcurrency,omitempty" doc:"ssm; a number, or a share such as 10%"`
	MaxErrors      string              `json:"maxErrors,omitempty" dynamodbav:"maxErrors,omitempty" doc:"ssm; a number, or a share such as 10%"`

	URL      string            `json:"url,omitempty" dynamodbav:"url,omitempty" doc:"webhook"`
	Preset   string            `json:"preset,omitempty" dynamodbav:"preset,omitempty" enum:"generic,awx,rundeck" doc:"webhook"`
	Async    bool              `json:"async,omitempty" dynamodbav:"async,omitempty" doc:"webhook; accepted by 202, completed by a callback"`
	Headers  map[string]string `json:"headers,omitempty" dynamodbav:"headers,omitempty" doc:"webhook; a value may hold {{secrets.<name>}}"`
	SignWith string            `json:"signWith,omitempty" dynamodbav:"signWith,omitempty" doc:"webhook; the name of the secret that signs"`

	TargetID string `json:"targetId,omitempty" dynamodbav:"targetId,omitempty" doc:"named"`
}

// Types of targets.
const (
	Sandbox = "sandbox"
	SSM     = "ssm"
	Webhook = "webhook"
	Named   = "named"
)
