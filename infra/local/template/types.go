package template

import "time"

// Resource is any resource of the template, whether or not the local stack gives it life.
type Resource struct {
	Type                                string // AWS::SQS::Queue and so on
	DeletionPolicy, UpdateReplacePolicy string
	Properties                          map[string]any // evaluated, Globals merged in; YAML's own types
}

// Function is an AWS::Serverless::Function.
type Function struct {
	LogicalID string
	Name, ARN string
	// Folder is where its main package lies, relative to the template and with slashes: functions/identity.
	Folder         string
	Handler        string
	Runtime        string
	Architectures  []string
	Timeout        time.Duration
	MemoryMB       int
	Environment    map[string]string
	RoleARN        string      // whom its calls come from, for key policies
	Statements     []Statement // what that role may do; deny by default
	QueueSources   []QueueSource
	Schedules      []Schedule
	Rules          []Rule
	TopicSources   []TopicSource
	StreamSources  []StreamSource
	MaxConcurrency int // ReservedConcurrentExecutions; 0 when not set
}

// Statement is one statement of an IAM policy. Lists are never nil where the statement has the member.
type Statement struct {
	Sid          string
	Effect       string // Allow or Deny
	Actions      []string
	NotActions   []string
	Resources    []string
	NotResources []string
	Principals   []string                       // of a key policy; empty in a role's
	Conditions   map[string]map[string][]string // operator, key, values
}

// QueueSource is an event source mapping from a queue.
type QueueSource struct {
	Name                    string // of the event
	QueueARN                string
	BatchSize               int           // 1..10,000, default 10
	Window                  time.Duration // MaximumBatchingWindowInSeconds
	ReportBatchItemFailures bool
	MaxConcurrency          int // ScalingConfig; 0 when not set
	Enabled                 bool
}

// Schedule is an EventBridge rule with a rate or cron expression.
type Schedule struct {
	Name       string // of the event
	RuleARN    string
	Expression string // rate(1 minute), cron(0 3 * * ? *)
	Input      string // constant JSON sent in place of the event; empty for the event itself
	Enabled    bool
}

// Rule is an EventBridge rule with a pattern, of the default bus.
type Rule struct {
	Name    string // of the event
	RuleARN string
	Pattern map[string]any // as written: lists of values and matchers, and mappings of them
	Enabled bool
}

// TopicSource is a subscription to a topic, by an event of the function or an AWS::SNS::Subscription.
type TopicSource struct {
	Name     string // of the event, or the logical id of the subscription
	TopicARN string
}

// Topic is an AWS::SNS::Topic.
type Topic struct {
	LogicalID string
	ARN       string
}

// StreamSource is an event source mapping from a table's stream.
type StreamSource struct {
	Name                    string
	StreamARN               string
	BatchSize               int
	StartingPosition        string
	Filters                 []string // patterns, of which one must fit; none lets everything through
	ReportBatchItemFailures bool
	BisectBatchOnError      bool
	MaximumRetryAttempts    int    // -1 for ever
	OnFailureARN            string // queue or topic for what could not be handled
	Window                  time.Duration
	Enabled                 bool
}

// Table is an AWS::DynamoDB::Table.
type Table struct {
	LogicalID    string
	Name, ARN    string
	Attributes   map[string]string // name to S, N or B
	Keys         []KeyElement
	Indexes      []Index
	TTLAttribute string // empty when off
	StreamView   string // NEW_AND_OLD_IMAGES and so on; empty when off
	StreamARN    string
	// StreamConsumed tells whether any function of the template reads the stream.
	StreamConsumed bool
}

// KeyElement is one part of a key: Type is HASH or RANGE.
type KeyElement struct{ Name, Type string }

// Index is a global secondary index.
type Index struct {
	Name             string
	Keys             []KeyElement
	Projection       string // ALL, KEYS_ONLY or INCLUDE
	NonKeyAttributes []string
}

// Queue is an AWS::SQS::Queue.
type Queue struct {
	LogicalID       string
	Name, ARN, URL  string
	Visibility      time.Duration // default 30 s
	Delay           time.Duration // default 0
	Retention       time.Duration // default 4 days
	ReceiveWait     time.Duration // default 0
	MaximumSize     int           // bytes, default 1,048,576
	DeadLetterARN   string        // empty without a redrive policy
	MaxReceiveCount int
	FIFO            bool
}

// Key is an AWS::KMS::Key.
type Key struct {
	LogicalID string
	ID, ARN   string
	Spec      string   // default SYMMETRIC_DEFAULT
	Usage     string   // default ENCRYPT_DECRYPT
	Aliases   []string // with the prefix alias/
	Policy    []Statement
}

// Bucket is an AWS::S3::Bucket.
type Bucket struct {
	LogicalID string
	Name, ARN string
}

// Secret is an AWS::SecretsManager::Secret whose value is generated.
type Secret struct {
	LogicalID  string
	ARN, Value string
}

// Distribution is the template's one AWS::CloudFront::Distribution, in front of its API.
type Distribution struct {
	LogicalID     string
	ID, Domain    string
	OriginDomain  string
	OriginPath    string            // /live, or empty
	OriginHeaders map[string]string // added to each request to the origin
	SocketDomain  string            // of the origin behind which the WebSocket API is, with the same headers; empty without one
	Behaviors     []Behavior        // in the order in which they are tried; the default one, pattern *, is the last
	// ErrorTTL is how long an answer with a status of 400 and above is kept, at the least. CloudFront's own default is ten
	// seconds, for the codes that are not in it.
	ErrorTTL map[int]time.Duration
}

// Behavior is what CloudFront does with the paths that fit a pattern.
type Behavior struct {
	Pattern         string // * and ? are wildcards
	Methods         []string
	Compress        bool
	Cache           CachePolicy
	ForwardsHeaders bool              // all of the viewer's but Host, cookies and the query with them; else none of these
	Headers         map[string]Header // of the response headers policy
	ViewerRequest   string            // JavaScript of the function that sees each request; empty for none
	Sockets         bool              // its origin is the WebSocket API
}

// CachePolicy is one of CloudFront's own.
type CachePolicy struct {
	Min, Default, Max time.Duration // all zero: no caching, but for errors
	Encodings         bool          // compressed copies are kept apart, and made
}

// Header is what a response headers policy says of one header.
type Header struct {
	Value    string
	Override bool // also where the origin says something else
}

// Parameter is an AWS::SSM::Parameter.
type Parameter struct {
	LogicalID         string
	Name, Type, Value string
}

// API is the template's one AWS::Serverless::Api.
type API struct {
	LogicalID        string
	ID, Stage        string
	Name             string
	KeySource        string // HEADER or AUTHORIZER
	BinaryMediaTypes []string
	MinCompress      int // bytes from which on answers are compressed; -1 for never
	Routes           []Route
	GatewayResponses map[string]GatewayResponse // by response type, DEFAULT_4XX among them
	UsagePlans       []UsagePlan
	Keys             []APIKey
	MethodSettings   []MethodSetting
}

// SocketAPI is the template's one AWS::ApiGatewayV2::Api, whose routes are integrated with functions by AWS_PROXY.
type SocketAPI struct {
	LogicalID string
	ID, Stage string
	Routes    map[string]SocketRoute // by key: $connect, $disconnect, $default, or what a message says where it selects a route
	Throttle  *Throttle              // of each route; nil for the region's own
}

// SocketRoute is a route of a WebSocket API.
type SocketRoute struct {
	Function string // logical id
	Answers  bool   // what the function returns is said to the caller
}

// Route is one method of one resource, integrated with a function by AWS_PROXY.
type Route struct {
	Path           string // /v1/runbooks/{proxy+}
	Method         string // GET and so on, or ANY
	Function       string // logical id
	Authorizer     *Authorizer
	APIKeyRequired bool
}

// Authorizer is a Lambda authorizer of type REQUEST.
type Authorizer struct {
	Name     string
	Function string // logical id
	TTL      time.Duration
	Identity []string // identity sources, such as method.request.header.Authorization; a request without them is 401
}

// GatewayResponse is how API Gateway itself answers. Headers hold mapping expressions: 'a literal' in single quotes,
// or context.requestId and the like. Templates are by content type and hold $context.* variables.
type GatewayResponse struct {
	StatusCode int // 0: the type's own
	Headers    map[string]string
	Templates  map[string]string
}

// UsagePlan limits the keys that belong to it. A zero rate or limit means none.
type UsagePlan struct {
	LogicalID, ID, Name string
	Rate                float64 // requests a second
	Burst               int
	QuotaLimit          int
	QuotaPeriod         string // DAY, WEEK or MONTH
	QuotaOffset         int
	MethodThrottle      map[string]Throttle // by "/path/METHOD"
	KeyIDs              []string
}

// Throttle is a token bucket: so many a second, so many at once.
type Throttle struct {
	Rate  float64
	Burst int
}

// APIKey is an AWS::ApiGateway::ApiKey.
type APIKey struct {
	LogicalID, ID, Name, Value string
	Enabled                    bool
}

// MethodSetting throttles a method of a resource. Path is decoded (/v1/auth/{proxy+}), or * for every one; Method too.
type MethodSetting struct {
	Path, Method string
	Throttle     *Throttle // nil when the setting does not throttle
}
