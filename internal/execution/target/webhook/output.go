package webhook

import (
	"maps"
	"slices"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/safehttp"
	"pagefree/internal/platform/text"
)

// output is the answer's body, as what a script would have written.
func output(a safehttp.Answer, hide target.Mask) target.Output {
	out, truncated := text.Clip([]byte(hide.Apply(string(a.Body), a.More)), a.More, target.MaxOutput)
	return target.Output{Stdout: out, StdoutTruncated: truncated}
}

// masker hides what was sent in confidence: AWX for one answers a launch by
// all variables of its job.
func masker(j target.Job) target.Mask {
	return target.NewMask(slices.Concat(slices.Collect(maps.Values(j.Secrets)), j.Confidential, []string{j.Callback.Token})...)
}
