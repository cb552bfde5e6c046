// Package job is what a local managed node and its agent say to each other, in JSON over pipes.
package job

// Job is one shell script.
type Job struct {
	Script      string
	Env         map[string]string
	LimitMillis int64
	Keep        int // bytes of each stream
}

// Result is how it ended. Without an Exit a signal, the time limit or a cancel ended it, or it was Refused.
type Result struct {
	Exit     *int
	Signal   string
	TimedOut bool
	Refused  string // why it was not run: it cannot be confined here
	Stdout   []byte
	Stderr   []byte
}
